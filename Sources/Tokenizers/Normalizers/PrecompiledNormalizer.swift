internal import System

/// A table that SentencePiece compiled, applied as the `tokenizers` library applies it.
///
/// User-perceived characters of less than six bytes are looked up as wholes, and the shortest entry that begins one
/// replaces all of it; where none does, each scalar is looked up by itself.
struct PrecompiledNormalizer: NormalizerComponent {
    static let typeName = "Precompiled"
    private let charsmap: Charsmap

    init(_ source: ComponentSource) throws(Failure) {
        let text = try source.requiredString("precompiled_charsmap")
        guard let bytes = Base64.decode(text) else {
            throw source.failure(.badData, "is not base64", key: "precompiled_charsmap")
        }
        guard let charsmap = Charsmap(bytes) else {
            throw source.failure(
                .badData,
                "is not a table of SentencePiece, or one that inserts more than \(Charsmap.longestText) bytes",
                key: "precompiled_charsmap")
        }
        self.charsmap = charsmap
    }

    /// The compatibility forms of Unicode, which real tables hold, have at most 33 bytes.
    var growth: Double { max(1, Double(charsmap.longestReplacement) / 33) }

    /// Longer ones are taken apart.
    private static let longestWhole = 5

    func normalize(_ text: inout AlignedText) {
        var output = AlignedText(tracksOffsets: text.tracksOffsets)
        output.bytes.reserveCapacity(text.count)
        text.bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let end = Graphemes.end(bytes, from: index)
                if end - index <= Self.longestWhole, let new = charsmap.shortest(bytes, from: index, to: end) {
                    output.append(new, origin: text.original(index..<end))
                    index = end
                    continue
                }
                while index < end {
                    let next = index + UTF8Decoding.byteCount(first: bytes[index])
                    if let new = charsmap.shortest(bytes, from: index, to: next) {
                        output.append(new, origin: text.original(index..<next))
                    } else {
                        output.append(text, index..<next)
                    }
                    index = next
                }
            }
        }
        // The first character that stays takes the place of what was removed before it.
        if text.tracksOffsets, let first = output.bytes.first {
            for index in 0..<UTF8Decoding.byteCount(first: first) { output.starts[index] = text.starts[0] }
        }
        text = output
    }
}
