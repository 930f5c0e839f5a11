/// A table of a page.
package struct HTMLTable: Sendable {
    package struct Column: Sendable {
        package var title: String
        /// Text stands left, numbers right.
        package var isText: Bool

        package init(_ title: String, isText: Bool = false) {
            self.title = title
            self.isText = isText
        }
    }

    package var columns: [Column]
    /// A cell for each column.
    package var rows: [[String]]

    package init(columns: [Column], rows: [[String]]) {
        guard rows.allSatisfy({ $0.count == columns.count }) else {
            fatalError("a row of a table has another number of cells than the table has columns")
        }
        self.columns = columns
        self.rows = rows
    }

    var html: String {
        func cells(_ name: String, _ texts: [String]) -> String {
            zip(columns, texts).map { column, text in
                "<\(name)\(column.isText ? " class=\"text\"" : "")>\(HTMLText.escape(text))</\(name)>"
            }.joined()
        }
        let lines = rows.map { "<tr>\(cells("td", $0))</tr>" }.joined(separator: "\n")
        return """
            <div class="table"><table>
            <thead><tr>\(cells("th", columns.map(\.title)))</tr></thead>
            <tbody>
            \(lines)
            </tbody>
            </table></div>
            """
    }
}
