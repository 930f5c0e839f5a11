/// The text of a YAML document with a position in it that only goes on: characters, lines, indentation and comments.
struct YAMLText {
    let bytes: [UInt8]
    var position = 0
    private var line = 1
    private var lineStart = 0
    /// An offset in the line, and its column in Unicode scalars: columns behind it are counted from there.
    private var anchor = (offset: 0, column: 1)

    /// - Throws: `badData` for what `checkCharacters` refuses.
    init(_ bytes: [UInt8]) throws(Failure) {
        self.bytes = bytes
        try checkCharacters()
    }

    // MARK: - Places

    /// Where the position is.
    mutating func here() -> Failure.Place {
        if anchor.offset < lineStart || anchor.offset > position { anchor = (lineStart, 1) }
        for index in anchor.offset..<position where bytes[index] & 0xC0 != 0x80 { anchor.column += 1 }
        anchor.offset = position
        return Failure.Place(line: line, column: anchor.column)
    }

    mutating func failure(_ what: String, remedy: String? = nil) -> Failure {
        Failure(.badData, what, at: here(), remedy: remedy)
    }

    /// The byte at the position, or so many behind it; nil at the end.
    func byte(_ distance: Int = 0) -> UInt8? {
        position + distance < bytes.count ? bytes[position + distance] : nil
    }

    func isBlank(_ byte: UInt8?) -> Bool { byte == 0x20 || byte == 0x09 }
    /// Whether a line or the text ends at a byte.
    func isLineEnd(_ byte: UInt8?) -> Bool { byte == nil || byte == 0x0A || byte == 0x0D }
    func isBlankOrEnd(_ byte: UInt8?) -> Bool { isBlank(byte) || isLineEnd(byte) }
    func isFlowIndicator(_ byte: UInt8?) -> Bool { byte.map { Self.flowIndicators.contains($0) } ?? false }

    private static let flowIndicators = Set(",[]{}".utf8)

    /// Columns before the position, in bytes: indentation is spaces alone.
    var indentation: Int { position - lineStart }

    /// What stands at the position, for messages.
    var found: String {
        guard !isLineEnd(byte()) else { return "the end of the line" }
        let rest = String(decoding: bytes[position..<min(position + 4, bytes.count)], as: UTF8.self)
        return "'\(rest.first.map(String.init) ?? "")'"
    }

    /// Refuses what is not UTF-8, control characters, line ends other than LF and CR LF, and a byte-order mark but in
    /// front; then goes to the start of the text.
    private mutating func checkCharacters() throws(Failure) {
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        (position, lineStart, anchor) = (start, start, (start, 1))
        var decoder = UTF8(), rest = bytes[start...].makeIterator()
        while true {
            let scalar: Unicode.Scalar
            switch decoder.decode(&rest) {
            case .emptyInput:
                (position, line, lineStart, anchor) = (start, 1, start, (start, 1))
                return
            case .error: throw failure("the text is not UTF-8", remedy: "Save the file as UTF-8")
            case .scalarValue(let next): scalar = next
            }
            let isText =
                switch scalar.value {
                case 0x0D: byte(1) == 0x0A
                case 0x09, 0x0A, 0x20...0x7E, 0x85: true
                case 0xA0...: scalar.value != 0xFEFF
                default: false
                }
            guard isText else {
                throw failure(
                    "the character U+\(String(scalar.value, radix: 16, uppercase: true)) is not text",
                    remedy: "Remove it, or write it as an escape in double quotation marks")
            }
            position += UTF8.width(scalar)
            if scalar == "\n" { (line, lineStart) = (line + 1, position) }
        }
    }

    // MARK: - Lines

    mutating func skipBlanks() { while isBlank(byte()) { position += 1 } }

    /// Passes a comment: it begins a line or stands behind a blank.
    mutating func skipComment() {
        guard byte() == UInt8(ascii: "#"), position == lineStart || isBlank(bytes[position - 1]) else { return }
        while !isLineEnd(byte()) { position += 1 }
    }

    /// Passes the end of a line.
    mutating func passLineEnd() {
        if byte() == 0x0D { position += 1 }
        if byte() == 0x0A {
            position += 1
            line += 1
            lineStart = position
        }
    }

    /// Goes from behind a value to the end of its line, over a comment.
    mutating func finishLine() throws(Failure) {
        skipBlanks()
        skipComment()
        guard isLineEnd(byte()) else {
            throw failure(
                "\(found) is not expected behind the value", remedy: "Put text with such characters in quotation marks")
        }
    }

    /// Goes to the next line that says something: to its first character, which is no space.
    ///
    /// - Returns: false at the end of the document.
    mutating func nextContent() throws(Failure) -> Bool {
        while true {
            if position == lineStart, isMarker("---") || isMarker("...") { return false }
            while byte() == 0x20 { position += 1 }
            let tab = position
            skipBlanks()
            skipComment()
            guard isLineEnd(byte()) else {
                guard position == tab else {
                    position = tab
                    throw failure("a tab indents the line", remedy: "Indent by spaces")
                }
                return true
            }
            guard byte() != nil else { return false }
            passLineEnd()
        }
    }

    func isMarker(_ text: StaticString) -> Bool {
        (0..<3).allSatisfy { byte($0) == text.utf8Start[$0] } && isBlankOrEnd(byte(3))
    }

    /// Whether an entry of a block sequence begins here.
    var isSequenceEntry: Bool { byte() == UInt8(ascii: "-") && isBlankOrEnd(byte(1)) }

    /// Passes blanks, line ends and comments inside brackets.
    mutating func skipFlowSpace() throws(Failure) {
        while true {
            skipBlanks()
            skipComment()
            guard isLineEnd(byte()) else { return }
            guard byte() != nil else { throw failure("the text ends inside brackets", remedy: "Close them") }
            passLineEnd()
        }
    }
}
