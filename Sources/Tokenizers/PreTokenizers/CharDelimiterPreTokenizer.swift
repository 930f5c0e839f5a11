internal import System

/// Cuts at one character and drops it.
struct CharDelimiterPreTokenizer: PreTokenizer {
    static let typeName = "CharDelimiterSplit"
    private let rule: StringRule

    init(_ source: ComponentSource) throws(Failure) {
        rule = StringRule(needle: try source.character("delimiter"))
    }

    func split(_ text: inout PieceList) { text.split(by: rule, behavior: .removed, inverted: false) }
}

/// A string, wherever it stands.
struct StringRule: ScanRule {
    let needle: [UInt8]

    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        guard piece.count >= needle.count else { return }
        var index = piece.lowerBound
        let last = piece.upperBound - needle.count
        while index <= last {
            var offset = 0
            while offset < needle.count, bytes[index + offset] == needle[offset] { offset += 1 }
            if offset == needle.count {
                matches.add(index..<index + needle.count, in: piece)
                index += needle.count
            } else {
                index += 1
            }
        }
    }
}
