internal import System

/// Canonical composition.
struct NFCNormalizer: NormalizerComponent {
    static let typeName = "NFC"

    init(_ source: ComponentSource) throws(Failure) {}

    func normalize(_ text: inout AlignedText) { text.normalize(to: .composed) }
}

/// Canonical decomposition.
struct NFDNormalizer: NormalizerComponent {
    static let typeName = "NFD"

    init(_ source: ComponentSource) throws(Failure) {}

    func normalize(_ text: inout AlignedText) { text.normalize(to: .decomposed) }
}

/// Compatibility composition.
struct NFKCNormalizer: NormalizerComponent {
    static let typeName = "NFKC"

    init(_ source: ComponentSource) throws(Failure) {}

    func normalize(_ text: inout AlignedText) { text.normalize(to: .compatiblyComposed) }
}

/// Compatibility decomposition.
struct NFKDNormalizer: NormalizerComponent {
    static let typeName = "NFKD"

    init(_ source: ComponentSource) throws(Failure) {}

    func normalize(_ text: inout AlignedText) { text.normalize(to: .compatiblyDecomposed) }
}

extension AlignedText {
    /// Takes on a normal form.
    ///
    /// Text is cut at characters that neither reorder nor compose; each part that changes stands, as a whole, for its
    /// part of the original.
    mutating func normalize(to form: NormalForm) {
        guard bytes.contains(where: { $0 >= form.firstByteThatChanges }) else { return }
        let composition = Composition.shared
        var output = AlignedText(tracksOffsets: tracksOffsets)
        output.bytes.reserveCapacity(count)
        var copied = 0
        var start = 0
        var scalars: [UInt32] = []
        while start < count {
            let (end, mayChange) = segment(from: start, form, composition, &scalars)
            if mayChange {
                let normal = composition.normalize(scalars, to: form)
                if normal != scalars {
                    output.append(self, copied..<start)
                    var new: [UInt8] = []
                    for scalar in normal { UTF8Decoding.append(scalar, to: &new) }
                    output.append(new, origin: original(start..<end))
                    copied = end
                }
            }
            start = end
        }
        guard copied > 0 else { return }
        output.append(self, copied..<count)
        self = output
    }

    /// The run from `start` up to the next boundary, its scalars, and whether it can differ from its normal form.
    private func segment(
        from start: Int, _ form: NormalForm, _ composition: Composition, _ scalars: inout [UInt32]
    ) -> (end: Int, mayChange: Bool) {
        bytes.withUnsafeBufferPointer { buffer in
            let pointer = buffer.baseAddress!
            var end = start
            // ASCII before ASCII needs no look at all.
            while end < buffer.count, pointer[end] < 0x80, end + 1 == buffer.count || pointer[end + 1] < 0x80 {
                end += 1
            }
            if end > start { return (end, false) }
            scalars.removeAll(keepingCapacity: true)
            while end < buffer.count {
                let (scalar, count) = UTF8Decoding.scalar(pointer, end)
                if end > start, composition.isBoundary(scalar) { break }
                scalars.append(scalar)
                end += count
            }
            return (end, composition.mayChange(scalars, to: form))
        }
    }
}
