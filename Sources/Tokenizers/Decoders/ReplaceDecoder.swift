internal import System

/// Replaces every match of a pattern in each token.
struct ReplaceDecoder: DecoderComponent, TokenwiseDecoder {
    static let typeName = "Replace"
    private let replacement: Replacement

    init(_ source: ComponentSource) throws(Failure) { replacement = try Replacement(source) }

    func decode(_ token: [UInt8], _ memory: inout Void, _ output: inout [TokenPart]) {
        var text = AlignedText(token)
        replacement.apply(to: &text)
        output.append(.whole(text.bytes))
    }
}
