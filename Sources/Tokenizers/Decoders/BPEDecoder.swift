internal import System

/// The suffix that ends a word becomes a space, in the last token nothing.
struct BPEDecoder: DecoderComponent, TokenwiseDecoder {
    static let typeName = "BPEDecoder"
    private let suffix: [UInt8]

    init(_ source: ComponentSource) throws(Failure) {
        suffix = Array((try source.string("suffix") ?? "</w>").utf8)
        guard !suffix.isEmpty else { throw source.failure(.badData, "is empty", key: "suffix") }
    }

    /// The token that may be the last.
    var memory: [UInt8]? { nil }

    func decode(_ token: [UInt8], _ kept: inout [UInt8]?, _ output: inout [TokenPart]) {
        if let kept { output.append(.whole(replacingSuffix(kept, with: [0x20]))) }
        kept = token
    }

    func finish(_ kept: inout [UInt8]?, _ output: inout [TokenPart]) {
        if let last = kept { output.append(.whole(replacingSuffix(last, with: []))) }
        kept = nil
    }

    private func replacingSuffix(_ token: [UInt8], with content: [UInt8]) -> [UInt8] {
        var text = AlignedText(token)
        text.replace(suffix, with: content)
        return text.bytes
    }
}
