/// The normalization table of SentencePiece (`precompiled_charsmap`): a double-array trie over UTF-8 and the texts its
/// entries become.
///
/// Layout: size of the trie in bytes (UInt32), its units (UInt32 each, all little endian), then texts that end with a zero
/// byte. The units are those of Darts-clone 0.32: bit 31 and the low byte hold a label, bit 8 says that a value follows,
/// bits 10 to 30 an offset, in units of 256 if bit 9 is set. An entry that points outside of the table matches nothing.
struct Charsmap: Sendable {
    /// Longer texts are refused: each may replace a single byte.
    static let longestText = 64

    private let units: [UInt32]
    private let texts: [UInt8]
    let longestReplacement: Int
    /// Whether some entry begins with a byte.
    private let begins: [Bool]

    /// Reads a table; nil for anything else.
    init?(_ bytes: [UInt8]) {
        func word(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << UInt32(8 * $1) }
        }
        guard bytes.count > 4 else { return nil }
        let size = Int(word(0))
        guard size % 4 == 0, size > 0, 4 + size <= bytes.count else { return nil }
        let units = (0..<size / 4).map { word(4 + 4 * $0) }
        texts = Array(bytes[(4 + size)...])
        longestReplacement = texts.split(separator: 0).map(\.count).max() ?? 0
        guard longestReplacement <= Self.longestText else { return nil }
        begins = (0..<256).map { Self.step(units, Self.offset(units[0]), UInt8($0)) != nil }
        self.units = units
    }

    /// What the shortest entry that begins `bytes[start..<end]` becomes; nil where none does.
    func shortest(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int) -> [UInt8]? {
        var found: [UInt8]?
        walk(bytes, from: start, to: end) { value, _ in
            found = text(value)
            return false
        }
        return found
    }

    /// The end of the longest entry that begins `bytes[start..<end]` and what it becomes; nil where none does.
    func longest(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int
    ) -> (text: [UInt8], end: Int)? {
        var found: (start: Int, end: Int)?
        walk(bytes, from: start, to: end) { value, end in
            found = (value, end)
            return true
        }
        return found.flatMap { found in text(found.start).map { ($0, found.end) } }
    }

    /// Visits the entries that begin a text, shortest first, until `visit` says false.
    @inline(__always)
    private func walk(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int, _ visit: (_ value: Int, _ end: Int) -> Bool
    ) {
        guard begins[Int(bytes[start])] else { return }
        var node = Self.offset(units[0])
        for index in start..<end {
            guard let (next, hasValue) = Self.step(units, node, bytes[index]) else { return }
            node = next
            guard hasValue, node < units.count else { continue }
            if !visit(Int(units[node] & 0x7FFF_FFFF), index + 1) { return }
        }
    }

    @inline(__always)
    private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & (1 << 9)) >> 6)) }

    /// Goes on from a node by a byte; nil where no entry goes on so.
    @inline(__always)
    private static func step(_ units: [UInt32], _ node: Int, _ byte: UInt8) -> (node: Int, hasValue: Bool)? {
        let place = node ^ Int(byte)
        guard place < units.count else { return nil }
        let unit = units[place]
        guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
        return (place ^ offset(unit), unit & (1 << 8) != 0)
    }

    /// The text at a place, up to its zero byte; nil where that is not valid UTF-8 inside of the table.
    private func text(_ start: Int) -> [UInt8]? {
        guard start < texts.count, let end = texts[start...].firstIndex(of: 0) else { return nil }
        let text = Array(texts[start..<end])
        return String(validating: text, as: UTF8.self) != nil ? text : nil
    }
}
