internal import System

/// The suffix that ends a word becomes a space, in the last token nothing.
struct BPEDecoder: Decoder {
    static let typeName = "BPEDecoder"
    private let suffix: [UInt8]

    init(_ source: ComponentSource) throws(Failure) {
        suffix = Array((try source.string("suffix") ?? "</w>").utf8)
        guard !suffix.isEmpty else { throw source.failure(.badData, "is empty", key: "suffix") }
    }

    func decode(_ tokens: inout [[UInt8]]) {
        for index in tokens.indices {
            var text = AlignedText(tracksOffsets: false)
            text.bytes = tokens[index]
            text.replace(suffix, with: index == tokens.count - 1 ? [] : [0x20])
            tokens[index] = text.bytes
        }
    }
}
