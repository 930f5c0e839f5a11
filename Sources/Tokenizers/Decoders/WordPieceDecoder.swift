internal import System

/// A space before every token but the first and those that go on a word; English spacing tidied up if asked for.
struct WordPieceDecoder: DecoderComponent, TokenwiseDecoder {
    static let typeName = "WordPiece"
    private let prefix: [UInt8]
    private let cleansUp: Bool

    init(_ source: ComponentSource) throws(Failure) {
        prefix = Array((try source.string("prefix") ?? "##").utf8)
        cleansUp = try source.bool("cleanup", default: true)
    }

    var memory: Bool { true }

    func decode(_ token: [UInt8], _ isFirst: inout Bool, _ output: inout [TokenPart]) {
        var text = token
        if !isFirst {
            if text.starts(with: prefix) {
                text.removeFirst(prefix.count)
            } else {
                text.insert(0x20, at: 0)
            }
        }
        output.append(.whole(cleansUp ? Cleanup.clean(text) : text))
        isFirst = false
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
        var text = AlignedText(token)
        for (needle, replacement) in replacements { text.replace(needle, with: replacement) }
        return text.bytes
    }
}
