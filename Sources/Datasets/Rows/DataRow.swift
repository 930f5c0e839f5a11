internal import System

/// One parsed row, read through the column mapping; its errors name file, line, column, field and value.
package struct DataRow {
    let object: JSONObject
    let columns: ColumnMapping
    private let record: DataRecord
    private let file: String

    /// Parses a record.
    ///
    /// - Throws: `badData` where it is no strict JSON or no object.
    init(_ record: DataRecord, file: String, columns: ColumnMapping, limits: DataLimits) throws(Failure) {
        self.record = record
        self.file = file
        self.columns = columns
        let value: JSONValue
        do throws(Failure) {
            value = try JSONParser.parse(record.bytes, limits: JSONParser.Limits(byteCount: limits.rowByteCount))
        } catch {
            throw Failure(.badData, error.what, at: record.place(file: file, at: error.place.byteOffset ?? 0))
        }
        guard let object = value.object else {
            throw Failure(
                .badData, "the row is \(value.kindName) where an object is expected", at: record.place(file: file))
        }
        self.object = object
    }

    /// Line of the file on which the row begins.
    var line: Int { record.line }

    /// A refusal of the row as a whole.
    func failure(_ what: String, remedy: String? = nil) -> Failure {
        Failure(.badData, what, at: record.place(file: file), remedy: remedy)
    }

    /// A refusal of a field's value or of an element of it.
    func failure(_ what: String, field: String, element: Int? = nil, remedy: String? = nil) -> Failure {
        let column = columns.column(of: field)
        let offset = JSONLocator.offset(in: record.bytes, key: column, element: element) ?? 0
        let name = element.map { "\(column)[\($0)]" } ?? column
        return Failure(.badData, what, at: record.place(file: file, at: offset, field: name), remedy: remedy)
    }

    /// Whether the row has a field; null counts as absent.
    func has(_ field: String) -> Bool { value(field) != nil }

    /// The value of a field, nil where it is absent or null.
    func value(_ field: String) -> JSONValue? {
        guard let value = object[columns.column(of: field)], !value.isNull else { return nil }
        return value
    }

    /// The text of a required field.
    func string(_ field: String) throws(Failure) -> String {
        let value = try required(field)
        guard let string = value.string else {
            throw failure("\(Self.describe(value)) was found where a string is expected", field: field)
        }
        return string
    }

    /// The elements of a required field.
    func array(_ field: String) throws(Failure) -> [JSONValue] {
        let value = try required(field)
        guard let array = value.array else {
            throw failure("\(Self.describe(value)) was found where an array is expected", field: field)
        }
        return array
    }

    /// The integers of a required field, each within 32 bits.
    func integers(_ field: String) throws(Failure) -> [Int32] {
        let value = try required(field)
        guard let array = value.array else {
            throw failure("\(Self.describe(value)) was found where an array of integers is expected", field: field)
        }
        var result: [Int32] = []
        result.reserveCapacity(array.count)
        for (index, element) in array.enumerated() {
            guard let integer = element.integer, let narrow = Int32(exactly: integer) else {
                throw failure(
                    "\(Self.describe(element)) was found where an integer is expected", field: field, element: index)
            }
            result.append(narrow)
        }
        return result
    }

    private func required(_ field: String) throws(Failure) -> JSONValue {
        guard let value = value(field) else {
            throw failure(
                "the row has no \"\(columns.column(of: field))\"; its keys are \(Self.list(object.keys))",
                remedy: RowFormats.suggestion(for: self))
        }
        return value
    }

    /// A value as messages show it: its kind and the first characters of its text.
    static func describe(_ value: JSONValue) -> String {
        if value.isNull { return "null" }
        let text = JSONWriter.compact.string(value)
        let shown =
            text.unicodeScalars.count > 40
            ? String(String.UnicodeScalarView(text.unicodeScalars.prefix(40))) + "…" : text
        return "\(value.kindName) \(shown)"
    }

    /// Names as messages list them: the first twelve, in quotation marks.
    static func list(_ names: [String]) -> String {
        guard !names.isEmpty else { return "none" }
        let shown = names.prefix(12).map { "\"\($0)\"" }.joined(separator: ", ")
        return names.count > 12 ? "\(shown) and \(names.count - 12) more" : shown
    }
}
