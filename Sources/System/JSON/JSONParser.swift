/// A strict reader of JSON (RFC 8259) for input nobody vouches for: UTF-8 only, no byte-order mark, no trailing comma,
/// no duplicate key (by bytes), a depth limit, a size limit; every refusal names the byte, line and column.
///
/// Linear in the length of the text.
public struct JSONParser {
    /// Bounds on what is accepted.
    public struct Limits: Sendable {
        public var depth: Int
        public var byteCount: Int

        public init(depth: Int = 64, byteCount: Int = 256 << 20) {
            self.depth = depth
            self.byteCount = byteCount
        }

        /// Headers of binary files: shallow and at most 100 MB.
        public static let header = Limits(depth: 16, byteCount: 100_000_000)
    }

    /// Parses one document that fills the bytes (surrounding white space allowed).
    ///
    /// - Parameters:
    ///   - bytes: the document.
    ///   - limits: the depth and size that are accepted.
    ///   - baseOffset: added to byte offsets in messages, where the document is a part of a file.
    /// - Throws: `Failure` of kind `badData` with byte offset, line and column.
    public static func parse(
        _ bytes: UnsafeBufferPointer<UInt8>, limits: Limits = Limits(), baseOffset: Int = 0
    ) throws(Failure) -> JSONValue {
        var parser = JSONParser(bytes: bytes, limits: limits, baseOffset: baseOffset)
        guard bytes.count <= limits.byteCount else {
            throw parser.failure(
                "JSON text of \(bytes.count) bytes is larger than the limit of \(limits.byteCount)", at: 0)
        }
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
            throw parser.failure("JSON text begins with a byte-order mark", at: 0)
        }
        parser.skipSpace()
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.position == bytes.count else {
            throw parser.failure("unexpected text after the JSON document", at: parser.position)
        }
        return value
    }

    /// Parses an array of bytes.
    public static func parse(_ bytes: [UInt8], limits: Limits = Limits(), baseOffset: Int = 0) throws(Failure)
        -> JSONValue
    {
        var result: Result<JSONValue, Failure>?
        bytes.withUnsafeBufferPointer { buffer in
            do throws(Failure) {
                result = .success(try parse(buffer, limits: limits, baseOffset: baseOffset))
            } catch { result = .failure(error) }
        }
        guard let result else { fatalError("withUnsafeBufferPointer did not run its body") }
        return try result.get()
    }

    /// Parses the UTF-8 of a string.
    public static func parse(_ text: String, limits: Limits = Limits()) throws(Failure) -> JSONValue {
        try parse(Array(text.utf8), limits: limits)
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private let limits: Limits
    private let baseOffset: Int
    private var position = 0

    private init(bytes: UnsafeBufferPointer<UInt8>, limits: Limits, baseOffset: Int) {
        self.bytes = bytes
        self.limits = limits
        self.baseOffset = baseOffset
    }

    /// A refusal at a byte of the document, with line and column (Unicode scalars of the line, counted from 1).
    private func failure(_ what: String, at offset: Int) -> Failure {
        var line = 1, lineStart = 0
        for index in 0..<min(offset, bytes.count) where bytes[index] == 0x0A {
            line += 1
            lineStart = index + 1
        }
        var column = 1
        for index in lineStart..<max(lineStart, min(offset, bytes.count)) where bytes[index] & 0xC0 != 0x80 {
            column += 1
        }
        return Failure(
            .badData, what, at: Failure.Place(byteOffset: baseOffset + offset, line: line, column: column))
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private func describe(_ offset: Int) -> String {
        guard offset < bytes.count else { return "the end of the text" }
        let byte = bytes[offset]
        return byte > 0x20 && byte < 0x7F
            ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16, uppercase: true))"
    }

    private mutating func value(depth: Int) throws(Failure) -> JSONValue {
        guard position < bytes.count else { throw failure("JSON text ends where a value is expected", at: position) }
        switch bytes[position] {
        case UInt8(ascii: "{"): return try object(depth: depth + 1)
        case UInt8(ascii: "["): return try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw failure("unexpected \(describe(position)) where a JSON value is expected", at: position)
        }
    }

    private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(Failure) -> JSONValue {
        let count = text.utf8CodeUnitCount
        guard bytes.count - position >= count else { throw failure("JSON text ends inside a literal", at: position) }
        for index in 0..<count where bytes[position + index] != text.utf8Start[index] {
            throw failure("unknown literal: \(text) is expected", at: position)
        }
        position += count
        return value
    }

    private mutating func digits() -> Int {
        let start = position
        while position < bytes.count, bytes[position] >= 0x30, bytes[position] <= 0x39 { position += 1 }
        return position - start
    }

    private mutating func number() throws(Failure) -> JSONValue {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        let firstDigit = position
        let whole = digits()
        guard whole > 0 else { throw failure("a digit is expected in a number", at: position) }
        guard whole == 1 || bytes[firstDigit] != 0x30 else {
            throw failure("a number has a leading zero", at: firstDigit)
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            guard digits() > 0 else { throw failure("a digit is expected after the decimal point", at: position) }
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            guard digits() > 0 else { throw failure("a digit is expected in an exponent", at: position) }
        }
        let text = String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
        guard text.utf8.count <= 1024 else { throw failure("a number has more than 1024 characters", at: start) }
        let number = JSONNumber(text: text)
        guard number.double.isFinite else {
            throw failure("the number \(text) is outside the range of a double", at: start)
        }
        return .number(number)
    }

    private mutating func array(depth: Int) throws(Failure) -> JSONValue {
        guard depth <= limits.depth else {
            throw failure("JSON is nested deeper than the limit of \(limits.depth)", at: position)
        }
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "]") {
            position += 1
            return .array([])
        }
        while true {
            skipSpace()
            elements.append(try value(depth: depth))
            skipSpace()
            guard position < bytes.count else { throw failure("JSON text ends inside an array", at: position) }
            switch bytes[position] {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return .array(elements)
            default: throw failure("',' or ']' is expected in an array, not \(describe(position))", at: position)
            }
        }
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONValue {
        guard depth <= limits.depth else {
            throw failure("JSON is nested deeper than the limit of \(limits.depth)", at: position)
        }
        position += 1
        var object = JSONObject()
        var keys = KeySet()
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "}") {
            position += 1
            return .object(object)
        }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw failure("a key in quotation marks is expected, not \(describe(position))", at: position)
            }
            let keyOffset = position
            let key = try string()
            guard keys.insert(key, in: object) else {
                throw failure("the key \"\(key)\" appears twice in one object", at: keyOffset)
            }
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: ":") else {
                throw failure("':' is expected after the key \"\(key)\", not \(describe(position))", at: position)
            }
            position += 1
            skipSpace()
            object.append(JSONObject.Member(key: key, value: try value(depth: depth)))
            skipSpace()
            guard position < bytes.count else { throw failure("JSON text ends inside an object", at: position) }
            switch bytes[position] {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return .object(object)
            default: throw failure("',' or '}' is expected in an object, not \(describe(position))", at: position)
            }
        }
    }

    private mutating func string() throws(Failure) -> String {
        let start = position
        position += 1
        var run = position
        var unescaped: [UInt8] = []
        while true {
            guard position < bytes.count else { throw failure("JSON text ends inside a string", at: start) }
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let tail = UnsafeBufferPointer(rebasing: bytes[run..<position])
                position += 1
                if !unescaped.isEmpty {
                    unescaped.append(contentsOf: tail)
                    return try text(unescaped, from: start + 1)
                }
                return try text(tail, from: start + 1)
            }
            guard byte >= 0x20 else {
                throw failure("control character \(describe(position)) inside a string must be escaped", at: position)
            }
            guard byte == UInt8(ascii: "\\") else {
                position += 1
                continue
            }
            unescaped.append(contentsOf: bytes[run..<position])
            try escape(into: &unescaped)
            run = position
        }
    }

    /// The string of a literal whose raw text begins at an offset.
    private func text(_ utf8: some Collection<UInt8>, from offset: Int) throws(Failure) -> String {
        if let result = String(validating: utf8, as: UTF8.self) { return result }
        // Escapes are ASCII, so the raw text is invalid where its meaning is.
        var decoder = UTF8()
        var rest = bytes[offset...].makeIterator()
        var invalid = offset
        while case .scalarValue(let scalar) = decoder.decode(&rest) { invalid += UTF8.width(scalar) }
        throw failure("a string is not valid UTF-8: \(describe(invalid))", at: invalid)
    }

    private mutating func escape(into output: inout [UInt8]) throws(Failure) {
        let start = position
        position += 1
        guard position < bytes.count else { throw failure("JSON text ends inside an escape", at: start) }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(byte)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexQuad(start)
            if code & 0xFC00 == 0xD800 {
                guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                    bytes[position + 1] == UInt8(ascii: "u")
                else { throw failure("a high surrogate escape has no low surrogate after it", at: start) }
                position += 2
                let low = try hexQuad(start)
                guard low & 0xFC00 == 0xDC00 else {
                    throw failure("a high surrogate escape has no low surrogate after it", at: start)
                }
                code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF)
            }
            guard let scalar = Unicode.Scalar(code) else { throw failure("a lone surrogate escape", at: start) }
            output.append(contentsOf: UTF8.encode(scalar)!)
        default: throw failure("unknown escape \(describe(position - 1)) in a string", at: start)
        }
    }

    private mutating func hexQuad(_ start: Int) throws(Failure) -> UInt32 {
        guard bytes.count - position >= 4 else { throw failure("JSON text ends inside a \\u escape", at: start) }
        var code: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[position]
            let digit: UInt32
            switch byte {
            case 0x30...0x39: digit = UInt32(byte - 0x30)
            case 0x41...0x46: digit = UInt32(byte - 0x41 + 10)
            case 0x61...0x66: digit = UInt32(byte - 0x61 + 10)
            default: throw failure("four hexadecimal digits are expected after \\u", at: start)
            }
            code = code << 4 | digit
            position += 1
        }
        return code
    }
}
