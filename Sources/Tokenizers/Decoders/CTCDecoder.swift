internal import System

/// Connectionist temporal classification: equal neighbours count once, the padding token not at all.
struct CTCDecoder: DecoderComponent, TokenwiseDecoder {
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

    /// The token before.
    var memory: [UInt8]? { nil }

    func decode(_ token: [UInt8], _ previous: inout [UInt8]?, _ output: inout [TokenPart]) {
        guard token != previous else { return }
        previous = token
        var text = AlignedText(token)
        text.replace(padding, with: [])
        if cleansUp {
            text.bytes = Cleanup.clean(text.bytes)
            text.replace(delimiter, with: [0x20])
        }
        if text.count > 0 { output.append(.whole(text.bytes)) }
    }
}
