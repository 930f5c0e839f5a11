internal import System

/// The text of one row and where it begins in its file.
struct DataRecord {
    var bytes: [UInt8]
    /// Line of the first byte, from 1.
    var line: Int
    /// Column of the first byte in its line, in Unicode scalars from 1.
    var column: Int

    /// The place of a byte of the record.
    func place(file: String, at offset: Int = 0, field: String? = nil) -> Failure.Place {
        var line = line, column = column
        for byte in bytes.prefix(max(0, offset)) {
            if byte == 0x0A {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return Failure.Place(file: file, line: line, column: column, field: field)
    }
}

/// Cuts a data file into the texts of its rows: one for each line that is not blank, or one for each element where
/// the file is a JSON array. A byte-order mark and line ends of CR LF are accepted.
///
/// Memory is that of the longest row and a buffer of 256 KiB. Rows are not parsed here; the elements of an array are
/// found by counting brackets outside strings.
struct RecordReader {
    private let input: DataInput
    private let limits: DataLimits
    private var buffer: [UInt8]
    private var start = 0
    private var end = 0
    private var atEnd = false
    private var line = 1
    private var column = 1
    private var isArray = false
    private var arrayHasEnded = false
    private var elementCount = 0

    init(_ input: DataInput, limits: DataLimits) throws(Failure) {
        self.input = input
        self.limits = limits
        buffer = [UInt8](repeating: 0, count: 256 << 10)
        try fill()
        if end >= 3, buffer[0] == 0xEF, buffer[1] == 0xBB, buffer[2] == 0xBF { start = 3 }
        while let byte = try peek(), Self.isSpace(byte) { advance(byte) }
        isArray = try peek() == UInt8(ascii: "[")
        if isArray { advance(UInt8(ascii: "[")) }
    }

    /// The next row, nil at the end of the file.
    ///
    /// - Throws: `badData` where the file cannot be cut further: a row beyond the limit, an array that does not end.
    mutating func next() throws(Failure) -> DataRecord? { try isArray ? nextElement() : nextLine() }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    private mutating func fill() throws(Failure) {
        var count = 0
        var failure: Failure?
        buffer.withUnsafeMutableBytes { bytes in
            do throws(Failure) { count = try input.read(into: bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        start = 0
        end = count
        atEnd = count == 0
    }

    private mutating func peek() throws(Failure) -> UInt8? {
        if start == end, !atEnd { try fill() }
        return start == end ? nil : buffer[start]
    }

    /// Steps over a byte that `peek` returned.
    private mutating func advance(_ byte: UInt8) {
        start += 1
        if byte == 0x0A {
            line += 1
            column = 1
        } else if byte & 0xC0 != 0x80 {
            column += 1
        }
    }

    private func failure(_ what: String, remedy: String? = nil) -> Failure {
        Failure(.badData, what, at: .init(file: input.file, line: line, column: column), remedy: remedy)
    }

    private func tooLong() -> Failure {
        failure(
            "the row has more than the \(limits.rowByteCount) bytes accepted",
            remedy: "Check that the file has one JSON object per line")
    }

    // MARK: - Lines

    private mutating func nextLine() throws(Failure) -> DataRecord? {
        while true {
            var record = DataRecord(bytes: [], line: line, column: column)
            var isComplete = false
            while !isComplete, try peek() != nil {
                let rest = buffer[start..<end]
                let stop = rest.firstIndex(of: 0x0A)
                record.bytes.append(contentsOf: rest[..<(stop ?? end)])
                start = stop.map { $0 + 1 } ?? end
                isComplete = stop != nil
                guard record.bytes.count <= limits.rowByteCount else { throw tooLong() }
            }
            if isComplete {
                line += 1
                column = 1
            } else if record.bytes.isEmpty {
                return nil
            }
            if record.bytes.last == 0x0D { record.bytes.removeLast() }
            if !record.bytes.allSatisfy(Self.isSpace) { return record }
        }
    }

    // MARK: - Elements of an array

    private mutating func nextElement() throws(Failure) -> DataRecord? {
        guard !arrayHasEnded else { return nil }
        try skipSpace()
        guard var byte = try peek() else { throw failure("the file ends inside a JSON array") }
        if byte == UInt8(ascii: "]") { return try endArray() }
        if elementCount > 0 {
            guard byte == UInt8(ascii: ",") else {
                throw failure("',' or ']' is expected after an element of the array")
            }
            advance(byte)
            try skipSpace()
        }
        elementCount += 1
        var record = DataRecord(bytes: [], line: line, column: column)
        var depth = 0, inString = false, isEscaped = false
        scan: while true {
            guard let next = try peek() else { throw failure("the file ends inside a JSON array") }
            byte = next
            if inString {
                inString = isEscaped || byte != UInt8(ascii: "\"")
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
            } else {
                switch byte {
                case UInt8(ascii: "\""): inString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: ",") where depth == 0: break scan
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { break scan }
                    depth -= 1
                default: break
                }
            }
            record.bytes.append(byte)
            guard record.bytes.count <= limits.rowByteCount else { throw tooLong() }
            advance(byte)
        }
        while let last = record.bytes.last, Self.isSpace(last) { record.bytes.removeLast() }
        return record
    }

    private mutating func skipSpace() throws(Failure) {
        while let byte = try peek(), Self.isSpace(byte) { advance(byte) }
    }

    private mutating func endArray() throws(Failure) -> DataRecord? {
        advance(UInt8(ascii: "]"))
        arrayHasEnded = true
        try skipSpace()
        guard try peek() == nil else { throw failure("unexpected text after the JSON array") }
        return nil
    }
}
