internal import Tensors

/// A pass over the rows of matrices in which no row depends on another: run as a region of its own, beside other work, or row
/// after row by the tasks that read what it makes while that is in their cache.
package struct RowPass: Sendable {
    let rows: Int
    /// Elements of a row, by which tasks are sized.
    let columns: Int
    /// What a profile counts a region of its own under.
    let part: StaticString
    /// Called with ranges of rows that together are all of them, each row once.
    let body: @Sendable (Range<Int>) -> Void
    /// Where the pass fills one matrix, that one, and the pass with another for it, which need have only the rows asked for.
    let output: (matrix: FloatMatrix, fill: @Sendable (Range<Int>, FloatMatrix) -> Void)?

    init(rows: Int, columns: Int, part: StaticString, _ body: @escaping @Sendable (Range<Int>) -> Void) {
        self.rows = rows
        self.columns = columns
        self.part = part
        self.body = body
        output = nil
    }

    /// A pass that fills `matrix`, and reads other matrices only.
    init(
        filling matrix: FloatMatrix, part: StaticString, _ fill: @escaping @Sendable (Range<Int>, FloatMatrix) -> Void
    ) {
        rows = matrix.rows
        columns = matrix.columns
        self.part = part
        body = { rows in fill(rows, matrix) }
        output = (matrix, fill)
    }

    /// The pass that takes `count` consecutive rows as one.
    package func folded(_ count: Int) -> RowPass {
        guard count > 1 else { return self }
        let body = body
        return RowPass(rows: rows / count, columns: columns * count, part: part) { rows in
            body(rows.lowerBound * count..<rows.upperBound * count)
        }
    }

    /// The pass, keeping an object alive whose memory it uses.
    package func holding(_ owner: any AnyObject & Sendable) -> RowPass {
        let body = body
        return RowPass(rows: rows, columns: columns, part: part) { rows in
            withExtendedLifetime(owner) { body(rows) }
        }
    }

    /// One pass over `rows` rows of several that each are over some of them.
    package static func joined(rows: Int, _ parts: [(rows: Range<Int>, pass: RowPass)]) -> RowPass? {
        guard let first = parts.first else { return nil }
        if parts.count == 1, first.rows == 0..<rows { return first.pass }
        return RowPass(rows: rows, columns: first.pass.columns, part: first.pass.part) { rows in
            for part in parts {
                let common = rows.clamped(to: part.rows)
                guard !common.isEmpty else { continue }
                let start = part.rows.lowerBound
                part.pass.body(common.lowerBound - start..<common.upperBound - start)
            }
        }
    }
}

extension ComputeContext {
    /// Runs a pass as a region of its own.
    package func run(_ pass: RowPass) {
        forEachRowRange(rows: pass.rows, columns: pass.columns, as: pass.part, pass.body)
    }

    /// Runs passes over the same rows as one region, for each row in their order.
    package func run(_ passes: [RowPass]) {
        guard let first = passes.first else { return }
        guard passes.allSatisfy({ $0.rows == first.rows }) else { fatalError("passes over different rows are not one") }
        let columns = passes.reduce(0) { $0 + $1.columns }
        forEachRowRange(rows: first.rows, columns: columns, as: first.part) { rows in
            for pass in passes { pass.body(rows) }
        }
    }
}

extension RegionPart {
    /// The tasks of a pass.
    init(_ pass: RowPass) {
        let cut = RowCut(rows: pass.rows, columns: pass.columns)
        let body = pass.body
        self.init(taskCount: cut.taskCount) { (task: Int) in body(cut.rows(of: task)) }
    }
}
