internal import System

/// A space before every token but the first and those that go on a word; English spacing tidied up if asked for.
struct WordPieceDecoder: Decoder {
    static let typeName = "WordPiece"
    private let prefix: [UInt8]
    private let cleansUp: Bool

    init(_ source: ComponentSource) throws(Failure) {
        prefix = Array((try source.string("prefix") ?? "##").utf8)
        cleansUp = try source.bool("cleanup", default: true)
    }

    func decode(_ tokens: inout [[UInt8]]) {
        for index in tokens.indices {
            if index > 0 {
                if tokens[index].starts(with: prefix) {
                    tokens[index].removeFirst(prefix.count)
                } else {
                    tokens[index].insert(0x20, at: 0)
                }
            }
            if cleansUp { tokens[index] = Cleanup.clean(tokens[index]) }
        }
    }
}

/// English spacing: no space before punctuation and contractions.
enum Cleanup {
    private static let replacements: [(needle: [UInt8], replacement: [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

    static func clean(_ token: [UInt8]) -> [UInt8] {
        guard token.contains(0x20) else { return token }
        var text = AlignedText(tracksOffsets: false)
        text.bytes = token
        for (needle, replacement) in replacements { text.replace(needle, with: replacement) }
        return text.bytes
    }
}
