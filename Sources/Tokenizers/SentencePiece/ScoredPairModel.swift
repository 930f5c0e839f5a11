/// Byte-pair encoding as SentencePiece does it: of all neighbours that are a piece together, the piece with the largest
/// score comes first, the leftmost of equals; user-defined pieces are never merged.
struct ScoredPairModel: TokenModel {
    /// A symbol of the text that no piece holds.
    private static let unknownSymbol = Int32.max
    /// User-defined pieces in a text are symbols from here on, so that nothing merges with them.
    private static let frozenBase: Int32 = 1 << 30

    let vocabulary: Vocabulary
    private let pieceCount: Int32
    private let unknownID: Int32
    /// Empty without byte fallback.
    private let byteTokens: [Int32]
    private let userDefined: DoubleArrayTrie?
    /// Symbols of single characters, by scalar: pieces, and from `pieceCount` on characters that only occur inside pieces.
    private let characters: PairTable
    private let merges: MergeTable
    /// Pairs of characters between which some merge can happen.
    private let junctions: PairTable

    init(_ file: SentencePieceFile, _ vocabulary: Vocabulary, userDefined: DoubleArrayTrie?, byteTokens: [Int32]) {
        self.vocabulary = vocabulary
        self.userDefined = userDefined
        self.byteTokens = byteTokens
        unknownID = file.unknownID
        pieceCount = Int32(file.pieces.count)
        let isMade = file.pieces.map { $0.type == .normal || $0.type == .userDefined }

        // Symbols: every piece that text makes, every single character inside one.
        var symbols = ByteTable(), characters = PairTable()
        var nextSymbol = pieceCount
        for (id, piece) in file.pieces.enumerated() where isMade[id] { symbols.insert(piece.text, value: Int32(id)) }
        for (id, piece) in file.pieces.enumerated() where isMade[id] {
            for range in Self.characters(piece.text) {
                let character = Array(piece.text[range])
                if symbols.insert(character, value: nextSymbol) == nil { nextSymbol += 1 }
                let scalar = character.withUnsafeBufferPointer { UTF8Decoding.scalar($0.baseAddress!, 0).value }
                let symbol = symbols.find(character) ?? Self.unknownSymbol
                characters.set(UInt64(scalar), UInt64(UInt32(bitPattern: symbol)))
            }
        }

        // Pieces of equal score share a rank.
        let order = file.pieces.indices.filter { isMade[$0] }.sorted { file.pieces[$0].score > file.pieces[$1].score }
        var merges: [(left: Int32, right: Int32, result: Int32, rank: UInt32)] = []
        var junctions = PairTable()
        var rank: UInt32 = 0
        for (index, id) in order.enumerated() {
            let piece = file.pieces[id]
            if index > 0, piece.score < file.pieces[order[index - 1]].score { rank += 1 }
            let ranges = Self.characters(piece.text)
            for cut in ranges.indices.dropFirst() {
                let middle = ranges[cut].lowerBound
                guard let left = symbols.find(Array(piece.text[..<middle])),
                    let right = symbols.find(Array(piece.text[middle...]))
                else { continue }
                merges.append((left, right, Int32(id), rank))
                let junction = piece.text.withUnsafeBufferPointer { text in
                    UInt64(UTF8Decoding.scalar(text.baseAddress!, ranges[cut - 1].lowerBound).value) << 32
                        | UInt64(UTF8Decoding.scalar(text.baseAddress!, middle).value)
                }
                junctions.set(junction, 1)
            }
        }
        self.characters = characters
        self.merges = MergeTable(merges)
        self.junctions = junctions
    }

    /// The ranges of the characters of valid UTF-8.
    private static func characters(_ text: [UInt8]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var index = 0
        while index < text.count {
            let end = index + UTF8Decoding.byteCount(first: text[index])
            ranges.append(index..<end)
            index = end
        }
        return ranges
    }

    /// Control pieces are never made of text.
    func withholding(_ ids: Set<Int32>) -> ScoredPairModel? { nil }

    func encode(_ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer) {
        guard piece.count > 0 else { return }
        var start = 0
        var previous = symbol(piece, 0)
        var index = previous.end
        while index < piece.count {
            let next = symbol(piece, index)
            // Neighbouring unknown characters make one token: never cut there.
            if previous.id < pieceCount || previous.id >= Self.frozenBase && previous.id != Self.unknownSymbol,
                !mayJoin(piece, previous, next, at: index)
            {
                encodeUnit(UnsafeBufferPointer(rebasing: piece[start..<index]), &scratch, &output)
                start = index
            }
            previous = next
            index = next.end
        }
        encodeUnit(UnsafeBufferPointer(rebasing: piece[start..<piece.count]), &scratch, &output)
    }

    /// The symbol at an index and where it ends.
    @inline(__always)
    private func symbol(_ piece: UnsafeBufferPointer<UInt8>, _ index: Int) -> (id: Int32, end: Int) {
        if let userDefined {
            var found: (id: Int32, end: Int)?
            userDefined.prefixes(of: piece, from: index) { id, end in found = (Self.frozenBase + id, end) }
            if let found { return found }
        }
        let (scalar, count) = UTF8Decoding.scalar(piece.baseAddress!, index)
        let id = characters.find(UInt64(scalar)).map { Int32(truncatingIfNeeded: $0) } ?? Self.unknownSymbol
        return (id, index + count)
    }

    private func mayJoin(
        _ piece: UnsafeBufferPointer<UInt8>, _ previous: (id: Int32, end: Int), _ next: (id: Int32, end: Int),
        at cut: Int
    ) -> Bool {
        if previous.id >= Self.frozenBase || next.id >= Self.frozenBase { return false }
        let left = UTF8Decoding.scalarBefore(piece.baseAddress!, cut, from: 0).value
        let right = UTF8Decoding.scalar(piece.baseAddress!, cut).value
        return junctions.find(UInt64(left) << 32 | UInt64(right)) != nil
    }

    private func encodeUnit(
        _ unit: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer
    ) {
        scratch.appendTokens(of: unit, to: &output) { scratch, output in
            let first = output.ids.count
            scratch.symbols.removeAll()
            var index = 0
            while index < unit.count {
                let (id, end) = symbol(unit, index)
                scratch.symbols.append(id, Int32(end - index))
                index = end
            }
            scratch.symbols.merge(merges, &output)
            if output.ids[first...].contains(where: { $0 >= pieceCount }) { finish(unit, first, &output) }
        }
    }

    /// Replaces symbols that are no pieces: frozen ones by their piece, unknown ones by their bytes or one unknown token
    /// for all neighbours.
    private func finish(_ unit: UnsafeBufferPointer<UInt8>, _ first: Int, _ output: inout TokenBuffer) {
        let ids = Array(output.ids[first...]), lengths = Array(output.lengths[first...])
        output.removeLast(ids.count)
        var position = 0
        var followsUnknown = false
        for (id, length) in zip(ids, lengths) {
            defer { position += Int(length) }
            if id < pieceCount || id >= Self.frozenBase && id != Self.unknownSymbol {
                output.append(id < pieceCount ? id : id - Self.frozenBase, length)
                followsUnknown = false
            } else if !byteTokens.isEmpty {
                for byte in unit[position..<position + Int(length)] { output.append(byteTokens[Int(byte)], 1) }
            } else if followsUnknown {
                output.lengths[output.lengths.count - 1] += length
            } else {
                output.append(unknownID, length)
                followsUnknown = true
            }
        }
    }
}
