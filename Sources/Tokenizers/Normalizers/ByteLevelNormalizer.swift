internal import System

/// Every byte as a character of the byte alphabet.
struct ByteLevelNormalizer: NormalizerComponent {
    static let typeName = "ByteLevel"

    init(_ source: ComponentSource) throws(Failure) {}

    /// Two bytes for one at most.
    var growth: Double { 2 }

    func normalize(_ text: inout AlignedText) { text = text.spelledInByteAlphabet(0..<text.count) }
}

extension AlignedText {
    /// A range of bytes, each as its character of the byte alphabet.
    func spelledInByteAlphabet(_ range: Range<Int>) -> AlignedText {
        var output = AlignedText(tracksOffsets: tracksOffsets)
        output.bytes.reserveCapacity(range.count * 2)
        for index in range {
            let before = output.count
            UTF8Decoding.append(ByteAlphabet.scalar(of: bytes[index]), to: &output.bytes)
            guard tracksOffsets else { continue }
            for _ in before..<output.count {
                output.starts.append(starts[index])
                output.ends.append(ends[index])
            }
        }
        return output
    }
}
