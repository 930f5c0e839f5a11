package import System

/// Which column of a file stands for which field of a row format: `--columns prompt=question,completion=answer`.
package struct ColumnMapping: Sendable, Equatable {
    /// Pairs of field and column; a field that is not listed is read from the column of its own name.
    package let pairs: [(field: String, column: String)]

    /// No mapping.
    package init() { pairs = [] }

    /// Reads the option's value.
    ///
    /// - Throws: `usage` for anything but `field=column` pairs, a field that no row format has, or one given twice.
    package init(option: String) throws(Failure) {
        let known = RowFormats.fields
        var pairs: [(field: String, column: String)] = []
        for item in option.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2, !sides[0].isEmpty, !sides[1].isEmpty else {
                throw Failure(
                    .usage, "--columns holds \"\(item)\" where field=column is expected",
                    remedy: "Write it as in --columns prompt=question,completion=answer")
            }
            guard known.contains(sides[0]) else {
                throw Failure(
                    .usage, "--columns maps the field \"\(sides[0])\", which no row format has",
                    remedy: "The fields are \(known.joined(separator: ", "))")
            }
            guard !pairs.contains(where: { $0.field == sides[0] }) else {
                throw Failure(.usage, "--columns maps the field \"\(sides[0])\" twice", remedy: "Keep one of the two")
            }
            pairs.append((sides[0], sides[1]))
        }
        self.pairs = pairs
    }

    /// The column that a field is read from.
    package func column(of field: String) -> String { pairs.first { $0.field == field }?.column ?? field }

    package static func == (left: Self, right: Self) -> Bool {
        left.pairs.elementsEqual(right.pairs) { $0.field == $1.field && $0.column == $1.column }
    }
}
