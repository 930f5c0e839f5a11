internal import System

/// Puts a text before every piece that is not empty.
struct PrependNormalizer: NormalizerComponent {
    static let typeName = "Prepend"
    private let prefix: [UInt8]

    init(_ source: ComponentSource) throws(Failure) {
        prefix = Array(try source.requiredString("prepend").utf8)
        guard prefix.count <= Normalizers.largestInsertion else {
            throw source.failure(
                .badData, "inserts \(prefix.count) bytes; at most \(Normalizers.largestInsertion) are expected",
                key: "prepend")
        }
    }

    func normalize(_ text: inout AlignedText) {
        guard text.count > 0 else { return }
        let start = text.tracksOffsets ? text.starts[0] : 0
        var output = AlignedText(tracksOffsets: text.tracksOffsets)
        output.append(prefix, origin: start..<start)
        output.append(text, 0..<text.count)
        text = output
    }
}
