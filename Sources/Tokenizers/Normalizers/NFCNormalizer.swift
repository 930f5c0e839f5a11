internal import System

/// Canonical composition.
///
/// Text is cut at characters that neither reorder nor compose; each part that changes stands, as a whole, for its part
/// of the original.
struct NFCNormalizer: Normalizer {
    static let typeName = "NFC"

    init(_ source: ComponentSource) throws(Failure) {}

    /// Nothing of at most three bytes composes to more than nine (U+FB2C, say, which stays decomposed).
    var growth: Double { 3 }

    func normalize(_ text: inout AlignedText) {
        // Every scalar below U+0300 is its own composed form; they are encoded with lead bytes below 0xCC.
        guard text.bytes.contains(where: { $0 >= 0xCC }) else { return }
        let composition = Composition.shared
        var output = AlignedText(tracksOffsets: text.tracksOffsets)
        output.bytes.reserveCapacity(text.count)
        var copied = 0
        var start = 0
        while start < text.count {
            let (end, scalars, mayChange) = segment(of: text.bytes, from: start, composition)
            if mayChange {
                let composed = composition.compose(scalars)
                if composed != scalars {
                    output.append(text, copied..<start)
                    output.append(Self.utf8(composed), origin: text.original(start..<end))
                    copied = end
                }
            }
            start = end
        }
        guard copied > 0 else { return }
        output.append(text, copied..<text.count)
        text = output
    }

    /// The run from `start` up to the next boundary, its scalars, and whether it can differ from its composed form.
    private func segment(
        of bytes: [UInt8], from start: Int, _ composition: Composition
    ) -> (end: Int, scalars: [UInt32], mayChange: Bool) {
        bytes.withUnsafeBufferPointer { buffer in
            let pointer = buffer.baseAddress!
            var end = start
            // ASCII before ASCII needs no look at all.
            while end < buffer.count, pointer[end] < 0x80, end + 1 == buffer.count || pointer[end + 1] < 0x80 {
                end += 1
            }
            if end > start { return (end, [], false) }
            var scalars: [UInt32] = []
            var mayChange = false
            while end < buffer.count {
                let (scalar, count) = UTF8Decoding.scalar(pointer, end)
                if end > start, composition.isBoundary(scalar) { break }
                if scalar >= Composition.firstScalarThatChanges { mayChange = true }
                scalars.append(scalar)
                end += count
            }
            return (end, scalars, mayChange)
        }
    }

    private static func utf8(_ scalars: [UInt32]) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in scalars {
            guard let scalar = Unicode.Scalar(value) else { fatalError("a composed form holds no surrogates") }
            bytes.append(contentsOf: UTF8.encode(scalar)!)
        }
        return bytes
    }
}
