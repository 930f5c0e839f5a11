internal import System

/// Lower case of every character by itself, without regard to its neighbours.
struct LowercaseNormalizer: Normalizer {
    static let typeName = "Lowercase"

    init(_ source: ComponentSource) throws(Failure) {}

    /// U+0130 grows from two bytes to three; three bytes never become more.
    var growth: Double { 1.5 }

    func normalize(_ text: inout AlignedText) {
        var output = AlignedText(tracksOffsets: text.tracksOffsets)
        output.bytes.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let byte = text.bytes[index]
            let count = UTF8Decoding.byteCount(first: byte)
            if byte < 0x80 {
                let lower = byte >= 0x41 && byte <= 0x5A ? byte + 0x20 : byte
                output.append([lower], origin: text.original(index..<index + 1))
            } else {
                let scalar = text.bytes.withUnsafeBufferPointer { UTF8Decoding.scalar($0.baseAddress!, index).value }
                let lower = Unicode.Scalar(scalar).map { Array($0.properties.lowercaseMapping.utf8) } ?? []
                output.append(lower, origin: text.original(index..<index + count))
            }
            index += count
        }
        text = output
    }
}
