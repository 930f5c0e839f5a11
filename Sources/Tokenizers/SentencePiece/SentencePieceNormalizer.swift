/// How SentencePiece rewrites text: its table of characters, spaces joined and made visible, one put in front.
///
/// As `Normalizer::Normalize` of the library does it: at every position the longest of the user-defined pieces stays as it
/// is, else the longest entry of the table is replaced.
struct SentencePieceNormalizer: Normalizer {
    private static let visibleSpace: [UInt8] = [0xE2, 0x96, 0x81]

    private let charsmap: Charsmap?
    private let userDefined: DoubleArrayTrie?
    private let addsPrefix: Bool
    private let addsSuffix: Bool
    private let removesExtraSpaces: Bool
    private let space: [UInt8]
    /// Whether the added space stands only where the text begins, not after every special token.
    private let onlyAtStart: Bool

    /// - Parameters:
    ///   - file: the model.
    ///   - charsmap: its table, nil where it has none.
    ///   - userDefined: its user-defined pieces, nil where it has none.
    init(_ file: SentencePieceFile, charsmap: Charsmap?, userDefined: DoubleArrayTrie?, onlyAtStart: Bool) {
        self.charsmap = charsmap
        self.userDefined = userDefined
        self.onlyAtStart = onlyAtStart
        addsPrefix = file.addsDummyPrefix && !file.treatsSpaceAsSuffix
        addsSuffix = file.addsDummyPrefix && file.treatsSpaceAsSuffix
        removesExtraSpaces = file.removesExtraSpaces
        space = file.escapesSpaces ? Self.visibleSpace : [0x20]
    }

    func normalize(_ text: inout AlignedText) {
        var output = AlignedText(tracksOffsets: text.tracksOffsets)
        output.bytes.reserveCapacity(text.count + text.count / 2)
        let isAtStart = text.isAtStart
        var hasBegun = false
        var afterSpace = removesExtraSpaces
        text.bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let (new, end) = next(bytes, index)
                let origin = text.original(index..<end)
                defer { index = end }
                if new == nil, hasBegun, bytes[index] != 0x20 {
                    output.append(text, index..<end)
                    afterSpace = false
                    continue
                }
                var part = new?[...] ?? Array(bytes[index..<end])[...]
                // Nothing is put before a text of spaces only.
                if !hasBegun {
                    if removesExtraSpaces, part.elementsEqual([0x20]) { continue }
                    hasBegun = true
                    if addsPrefix, !onlyAtStart || isAtStart {
                        output.append(space, origin: origin.lowerBound..<origin.lowerBound)
                    }
                }
                if afterSpace { part = part.drop { $0 == 0x20 } }
                guard !part.isEmpty else { continue }
                for byte in part { output.append(byte == 0x20 ? space : [byte], origin: origin) }
                afterSpace = removesExtraSpaces && part.last == 0x20
            }
        }
        if removesExtraSpaces {
            var end = output.count
            while end >= space.count, output.bytes[end - space.count..<end].elementsEqual(space) { end -= space.count }
            output = output.slice(0..<end)
        }
        if addsSuffix, hasBegun {
            let end = text.original(0..<text.count).upperBound
            output.append(space, origin: end..<end)
        }
        text = output
    }

    /// What stands for the beginning of the rest (nil where it stays as it is), and where that ends.
    private func next(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> (new: [UInt8]?, end: Int) {
        if let userDefined {
            var longest = start
            userDefined.prefixes(of: bytes, from: start) { _, end in longest = end }
            if longest > start { return (Array(bytes[start..<longest]), longest) }
        }
        if let (new, end) = charsmap?.longest(bytes, from: start, to: bytes.count) { return (new, end) }
        return (nil, start + UTF8Decoding.byteCount(first: bytes[start]))
    }
}
