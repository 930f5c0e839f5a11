internal import System

/// Cuts where the script changes. Characters that go with every script are dropped before the first one that does not.
struct UnicodeScriptsPreTokenizer: PreTokenizer {
    static let typeName = "UnicodeScripts"

    init(_ source: ComponentSource) throws(Failure) {}

    func split(_ text: inout PieceList) { text.split(by: ScriptRule(), behavior: .removed, inverted: true) }
}

/// Runs of one script.
private struct ScriptRule: ScanRule {
    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        guard let pointer = bytes.baseAddress else { return }
        var index = piece.lowerBound
        var start = index
        var current: UInt16 = 0
        while index < piece.upperBound {
            let (scalar, count) = UTF8Decoding.scalar(pointer, index)
            let script = Script.of(scalar)
            if script != 0, script != current {
                if current != 0 { matches.add(start..<index, in: piece) }
                start = index
                current = script
            }
            index += count
        }
        if current != 0 { matches.add(start..<index, in: piece) }
    }
}
