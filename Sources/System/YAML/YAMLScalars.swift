/// Scalars, all in one line.
extension YAMLText {
    /// The scalar that begins here: text, and whether it stands in quotation marks.
    mutating func scalar(inFlow: Bool) throws(Failure) -> (text: String, isQuoted: Bool) {
        switch byte() {
        case UInt8(ascii: "\""): return (try doubleQuoted(), true)
        case UInt8(ascii: "'"): return (try singleQuoted(), true)
        default: return (try plain(inFlow: inFlow), false)
        }
    }

    /// Text without quotation marks: to a comment, to a colon with a space behind it, to the end of the line.
    private mutating func plain(inFlow: Bool) throws(Failure) -> String {
        try checkPlainStart(inFlow: inFlow)
        let start = position
        var end = position
        while let next = byte(), !isLineEnd(next) {
            if next == UInt8(ascii: "#"), position > start, isBlank(bytes[position - 1]) { break }
            if next == UInt8(ascii: ":"), isBlankOrEnd(byte(1)) || inFlow && isFlowIndicator(byte(1)) { break }
            if inFlow, isFlowIndicator(next) { break }
            position += 1
            if !isBlank(next) { end = position }
        }
        position = end
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    private mutating func checkPlainStart(inFlow: Bool) throws(Failure) {
        let quote = "Put text that begins so in quotation marks"
        switch byte() {
        case UInt8(ascii: "&"), UInt8(ascii: "*"):
            throw failure("anchors (&) and aliases (*) are not supported", remedy: quote)
        case UInt8(ascii: "!"): throw failure("tags (!) are not supported", remedy: quote)
        case UInt8(ascii: "|"), UInt8(ascii: ">"):
            throw failure(
                "text over several lines (| and >) is not supported", remedy: "Write it in one line, in quotation marks"
            )
        case UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"), UInt8(ascii: "#"):
            throw failure("\(found) cannot begin a value", remedy: quote)
        case UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"):
            throw failure("\(found) is not expected here", remedy: quote)
        case UInt8(ascii: "?"), UInt8(ascii: "-"), UInt8(ascii: ":"):
            if isBlankOrEnd(byte(1)) || inFlow && isFlowIndicator(byte(1)) {
                throw failure("\(found) is not expected here", remedy: quote)
            }
        default: break
        }
    }

    private mutating func singleQuoted() throws(Failure) -> String {
        var text: [UInt8] = []
        position += 1
        while true {
            guard let next = byte(), !isLineEnd(next) else { throw unclosed("'") }
            position += 1
            if next == UInt8(ascii: "'") {
                guard byte() == next else { return String(decoding: text, as: UTF8.self) }
                position += 1
            }
            text.append(next)
        }
    }

    private mutating func doubleQuoted() throws(Failure) -> String {
        var text: [UInt8] = []
        position += 1
        while true {
            guard let next = byte(), !isLineEnd(next) else { throw unclosed("\"") }
            switch next {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text.append(contentsOf: Array(String(try escape()).utf8))
            default:
                text.append(next)
                position += 1
            }
        }
    }

    private mutating func unclosed(_ mark: String) -> Failure {
        failure("the line ends inside quotation marks", remedy: "Close them by \(mark) in the same line")
    }

    private static let escapes: [UInt8: Unicode.Scalar] = [
        UInt8(ascii: "0"): "\0", UInt8(ascii: "a"): "\u{07}", UInt8(ascii: "b"): "\u{08}", UInt8(ascii: "t"): "\t",
        UInt8(ascii: "n"): "\n", UInt8(ascii: "v"): "\u{0B}", UInt8(ascii: "f"): "\u{0C}", UInt8(ascii: "r"): "\r",
        UInt8(ascii: "e"): "\u{1B}", UInt8(ascii: " "): " ", UInt8(ascii: "\""): "\"", UInt8(ascii: "/"): "/",
        UInt8(ascii: "\\"): "\\", UInt8(ascii: "N"): "\u{85}", UInt8(ascii: "_"): "\u{A0}",
        UInt8(ascii: "L"): "\u{2028}", UInt8(ascii: "P"): "\u{2029}",
    ]

    /// The character of an escape in double quotation marks; surrogates of JSON come in pairs.
    private mutating func escape() throws(Failure) -> Unicode.Scalar {
        let start = position
        let letter = byte(1)
        position += 2
        if let letter, let scalar = Self.escapes[letter] { return scalar }
        let widths: [UInt8: Int] = [UInt8(ascii: "x"): 2, UInt8(ascii: "u"): 4, UInt8(ascii: "U"): 8]
        if let letter, let width = widths[letter], var code = hexadecimal(width) {
            if width == 4, code & 0xFC00 == 0xD800, byte() == UInt8(ascii: "\\"), byte(1) == UInt8(ascii: "u") {
                position += 2
                if let low = hexadecimal(4), low & 0xFC00 == 0xDC00 {
                    code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF)
                }
            }
            if let scalar = Unicode.Scalar(code) { return scalar }
        }
        position = start
        throw failure("the escape is not one of YAML", remedy: "Write a backslash as \\\\, or use ' as quotation marks")
    }

    /// So many hexadecimal digits, passed; nil where there are fewer.
    private mutating func hexadecimal(_ count: Int) -> UInt32? {
        guard position + count <= bytes.count else { return nil }
        let digits = bytes[position..<position + count]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        position += count
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
