internal import System

/// Replaces every match of a pattern in each token.
struct ReplaceDecoder: Decoder {
    static let typeName = "Replace"
    private let replacement: Replacement

    init(_ source: ComponentSource) throws(Failure) { replacement = try Replacement(source) }

    func decode(_ tokens: inout [[UInt8]]) {
        for index in tokens.indices {
            var text = AlignedText(tracksOffsets: false)
            text.bytes = tokens[index]
            replacement.apply(to: &text)
            tokens[index] = text.bytes
        }
    }
}
