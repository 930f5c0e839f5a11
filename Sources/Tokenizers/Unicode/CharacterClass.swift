/// Classes of characters, as the regular-expression engine of the `tokenizers` library sees them; one bit each.
///
/// The table follows that library's Unicode version (see tools/fixtures/unicode.py): a newer one would give other ids
/// for characters it has learned since.
struct CharacterClass {
    static let upper: UInt8 = 1 << 0
    static let lower: UInt8 = 1 << 1
    /// Lm and Lo.
    static let otherLetter: UInt8 = 1 << 2
    static let mark: UInt8 = 1 << 3
    static let number: UInt8 = 1 << 4
    static let punctuation: UInt8 = 1 << 5
    static let symbol: UInt8 = 1 << 6
    static let space: UInt8 = 1 << 7
    static let letter = upper | lower | otherLetter

    /// Scalars from here on are looked up outside the table: only U+E0100…U+E01EF (marks) have a class.
    private static let tableCount = 0x40000
    private static let table = expand()

    /// Calls `body` with the class table of scalars below 0x40000, for loops that look up many.
    static func withTable<Result>(_ body: (CharacterClassView) -> Result) -> Result {
        table.withUnsafeBufferPointer { body(CharacterClassView(table: $0.baseAddress!)) }
    }

    /// The class bits of one scalar.
    static func of(_ scalar: UInt32) -> UInt8 { withTable { $0.of(scalar) } }

    private static func expand() -> [UInt8] {
        var table = [UInt8](repeating: 0, count: tableCount)
        var position = 0, length = 0, current: UInt8 = 0
        func fill() {
            let end = min(tableCount, position + max(1, length))
            if position < end { for index in position..<end { table[index] = current } }
            position += max(1, length)
        }
        var hasRun = false
        CharacterClassTable.runs.withUTF8Buffer { text in
            for byte in text {
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"):
                    if hasRun { fill() }
                    hasRun = true
                    length = 0
                    current = bits(byte)
                case UInt8(ascii: "0")...UInt8(ascii: "9"): length = length * 36 + Int(byte - UInt8(ascii: "0"))
                case UInt8(ascii: "a")...UInt8(ascii: "z"): length = length * 36 + Int(byte - UInt8(ascii: "a")) + 10
                default: break
                }
            }
        }
        fill()
        return table
    }

    private static func bits(_ letter: UInt8) -> UInt8 {
        switch letter {
        case UInt8(ascii: "U"): upper
        case UInt8(ascii: "L"): lower
        case UInt8(ascii: "O"): otherLetter
        case UInt8(ascii: "M"): mark
        case UInt8(ascii: "N"): number
        case UInt8(ascii: "P"): punctuation
        case UInt8(ascii: "S"): symbol
        case UInt8(ascii: "W"): space
        default: 0
        }
    }
}

/// The class table, borrowed.
struct CharacterClassView {
    let table: UnsafePointer<UInt8>

    @inline(__always)
    func of(_ scalar: UInt32) -> UInt8 {
        if scalar < 0x40000 { return table[Int(scalar)] }
        return scalar >= 0xE0100 && scalar <= 0xE01EF ? CharacterClass.mark : 0
    }
}
