internal import System

/// Connectionist temporal classification: equal neighbours count once, the padding token not at all.
struct CTCDecoder: Decoder {
    static let typeName = "CTC"
    private let padding: [UInt8]
    private let delimiter: [UInt8]
    private let cleansUp: Bool

    init(_ source: ComponentSource) throws(Failure) {
        padding = Array((try source.string("pad_token") ?? "<pad>").utf8)
        delimiter = Array((try source.string("word_delimiter_token") ?? "|").utf8)
        cleansUp = try source.bool("cleanup", default: true)
        guard !padding.isEmpty, !delimiter.isEmpty else {
            throw source.failure(.badData, "the padding or the delimiter token is empty")
        }
    }

    func decode(_ tokens: inout [[UInt8]]) {
        var output: [[UInt8]] = []
        for index in tokens.indices where index == 0 || tokens[index] != tokens[index - 1] {
            var text = AlignedText(tracksOffsets: false)
            text.bytes = tokens[index]
            text.replace(padding, with: [])
            if cleansUp {
                text.bytes = Cleanup.clean(text.bytes)
                text.replace(delimiter, with: [0x20])
            }
            if text.count > 0 { output.append(text.bytes) }
        }
        tokens = output
    }
}
