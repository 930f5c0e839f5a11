internal import System

/// Byte-pair encoding (Sennrich et al. 2016), with the switches of tokenizer.json: byte fallback, fused unknowns and
/// whole words first.
struct BytePairModel: TokenModelComponent {
    static let typeName = "BPE"

    let vocabulary: Vocabulary
    let warnings: [String]
    /// Whether pieces are raw bytes and the vocabulary spells bytes in the byte alphabet.
    let readsBytes: Bool
    private let affixes: Affixes
    private let unknownID: Int32?
    private let fusesUnknown: Bool
    private let ignoresMerges: Bool
    /// Ids of the tokens `<0x00>` to `<0xFF>`, -1 where there is none; empty without byte fallback.
    private let byteTokens: [Int32]
    /// Ids of one-byte pieces, -1 where there is none: raw bytes with a byte-level vocabulary, ASCII otherwise.
    private let byteIDs: [Int32]
    /// Ids of other characters, by scalar; empty with a byte-level vocabulary.
    private let scalarIDs: PairTable
    /// Whole words, for `ignore_merges`: raw bytes with a byte-level vocabulary.
    private var words: ByteTable
    private var merges: MergeTable
    /// Pairs of characters between which some merge can happen.
    private let junctions: PairTable

    init(_ source: ComponentSource, isByteLevel: Bool) throws(Failure) {
        let options = try BytePairOptions(source)
        // With affixes or byte tokens, characters that stand for bytes are characters like others.
        let isByteLevel = isByteLevel && options.affixes.isEmpty && !options.fallsBackToBytes
        let vocabulary = try Vocabulary(source.requiredObject("vocab"), source: source)
        let merges = try MergeTable(
            source.array("merges"), vocabulary: vocabulary, prefixCount: options.affixes.prefix.count, source: source)

        var words = ByteTable(), scalarIDs = PairTable()
        var byteIDs = [Int32](repeating: -1, count: isByteLevel ? 256 : 128)
        for id in 0..<Int32(vocabulary.idEnd) {
            guard let token = vocabulary.bytes(id), let first = token.first else { continue }
            if options.ignoresMerges, let key = isByteLevel ? ByteAlphabet.bytes(of: token) : Array(token) {
                words.insert(key, value: id)
            }
            guard token.count == UTF8Decoding.byteCount(first: first) else { continue }
            let scalar = token.withUnsafeBufferPointer { UTF8Decoding.scalar($0.baseAddress!, 0).value }
            if isByteLevel {
                if let byte = ByteAlphabet.byte(of: scalar) { byteIDs[Int(byte)] = id }
            } else if scalar < 128 {
                byteIDs[Int(scalar)] = id
            } else {
                scalarIDs.set(UInt64(scalar), UInt64(UInt32(bitPattern: id)))
            }
        }
        byteTokens = options.fallsBackToBytes ? vocabulary.byteTokens() : []
        let isComplete =
            isByteLevel ? Self.missingBytes(byteIDs).isEmpty : !byteTokens.isEmpty && !byteTokens.contains(-1)
        if let token = options.unknownToken, vocabulary.id(Array(token.utf8)) != nil || !isComplete {
            unknownID = try vocabulary.unknownID(token, source: source)
        } else {
            unknownID = nil
        }
        warnings = Self.warnings(isByteLevel: isByteLevel, byteIDs, byteTokens, hasUnknown: unknownID != nil)
        junctions = merges.junctions(vocabulary, isByteLevel: isByteLevel)
        fusesUnknown = options.fusesUnknown
        ignoresMerges = options.ignoresMerges
        readsBytes = isByteLevel
        affixes = options.affixes
        self.vocabulary = vocabulary
        self.merges = merges
        self.words = words
        self.byteIDs = byteIDs
        self.scalarIDs = scalarIDs
    }

    /// Bytes that occur in UTF-8 and have no token.
    private static func missingBytes(_ byteIDs: [Int32]) -> [Int] {
        byteIDs.indices.filter { byteIDs[$0] < 0 && $0 != 0xC0 && $0 != 0xC1 && $0 < 0xF5 }
    }

    /// Bytes that occur in UTF-8 and that nothing in the vocabulary stands for are dropped, as the `tokenizers` library
    /// drops them; that is worth a word.
    private static func warnings(
        isByteLevel: Bool, _ byteIDs: [Int32], _ byteTokens: [Int32], hasUnknown: Bool
    ) -> [String] {
        guard !hasUnknown else { return [] }
        if !isByteLevel {
            return byteTokens.contains(where: { $0 >= 0 })
                ? [] : ["the vocabulary has neither an unknown token nor byte fallback: characters outside it are lost"]
        }
        let missing = missingBytes(byteIDs)
        guard let first = missing.first else { return [] }
        return [
            "the vocabulary has no token for \(missing.count) bytes (the first is 0x\(String(first, radix: 16, uppercase: true)))"
                + " and no unknown token: characters with them are lost"
        ]
    }

    func withholding(_ ids: Set<Int32>) -> BytePairModel? {
        var copy = self
        var changes = false
        if ignoresMerges {
            var words = ByteTable()
            for id in 0..<Int32(vocabulary.idEnd) {
                guard let token = vocabulary.bytes(id),
                    let key = readsBytes ? ByteAlphabet.bytes(of: token) : Array(token),
                    !key.isEmpty
                else { continue }
                if ids.contains(id) { changes = true } else { words.insert(key, value: id) }
            }
            copy.words = words
        }
        if let fewer = merges.withholding(ids) {
            copy.merges = fewer
            changes = true
        }
        return changes ? copy : nil
    }

    // MARK: Encoding

    /// Pieces up to this many bytes are one unit; longer ones are cut where no merge can happen.
    private static let longestUncutPiece = 24

    func encode(_ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer) {
        guard piece.count > 0 else { return }
        if ignoresMerges, let id = words.find(piece) { return output.append(id, Int32(piece.count)) }
        guard piece.count > Self.longestUncutPiece, affixes.isEmpty else {
            return encodeUnit(piece, &scratch, &output)
        }
        var start = 0
        var previous = character(piece, 0)
        var index = previous.count
        while index < piece.count {
            let next = character(piece, index)
            // A character that is not in the vocabulary may become bytes or join other unknown ones: never cut there.
            if previous.id >= 0, next.id >= 0,
                junctions.find(UInt64(previous.scalar) << 32 | UInt64(next.scalar)) == nil
            {
                encodeUnit(UnsafeBufferPointer(rebasing: piece[start..<index]), &scratch, &output)
                start = index
            }
            previous = next
            index += next.count
        }
        encodeUnit(UnsafeBufferPointer(rebasing: piece[start..<piece.count]), &scratch, &output)
    }

    private func encodeUnit(
        _ unit: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer
    ) {
        scratch.appendTokens(of: unit, to: &output) { scratch, output in
            scratch.symbols.removeAll()
            fill(&scratch.symbols, unit)
            scratch.symbols.merge(merges, &output)
        }
    }

    /// The character at an index (a byte, with a byte-level vocabulary), its size, and its id or -1.
    @inline(__always)
    private func character(_ piece: UnsafeBufferPointer<UInt8>, _ index: Int) -> (scalar: UInt32, count: Int, id: Int32)
    {
        let byte = piece[index]
        if Int(byte) < byteIDs.count { return (UInt32(byte), 1, byteIDs[Int(byte)]) }
        let (scalar, count) = UTF8Decoding.scalar(piece.baseAddress!, index)
        return (scalar, count, scalarIDs.find(UInt64(scalar)).map { Int32(truncatingIfNeeded: $0) } ?? -1)
    }

    /// The characters of a unit as symbols.
    ///
    /// A pending unknown goes out before the next character of the vocabulary, but after the bytes of characters that
    /// fall back: so does the `tokenizers` library.
    private func fill(_ symbols: inout SymbolList, _ unit: UnsafeBufferPointer<UInt8>) {
        var pending: (id: Int32, length: Int32)?
        var index = 0
        while index < unit.count {
            let (_, count, plainID) = character(unit, index)
            defer { index += count }
            let affixed = affixes.isEmpty ? nil : affixes.spelling(unit, index..<index + count)
            let id = affixed.map { vocabulary.id($0) ?? -1 } ?? plainID
            if id >= 0 {
                if let (id, length) = pending { symbols.append(id, length) }
                pending = nil
                symbols.append(id, Int32(count))
                continue
            }
            if !byteTokens.isEmpty {
                let bytes = affixed ?? Array(unit[index..<index + count])
                if bytes.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
                    for byte in bytes { symbols.append(byteTokens[Int(byte)], 1) }
                    continue
                }
            }
            guard let unknownID else { continue }
            if let (id, length) = pending {
                if fusesUnknown {
                    pending = (id, length + Int32(count))
                    continue
                }
                symbols.append(id, length)
            }
            pending = (unknownID, Int32(count))
        }
        if let (id, length) = pending { symbols.append(id, length) }
    }
}

/// The keys of a BPE model beside vocabulary and merges.
private struct BytePairOptions {
    let unknownToken: String?
    let fusesUnknown: Bool
    let fallsBackToBytes: Bool
    let ignoresMerges: Bool
    let affixes: Affixes

    init(_ source: ComponentSource) throws(Failure) {
        affixes = Affixes(
            prefix: Array((try source.string("continuing_subword_prefix") ?? "").utf8),
            suffix: Array((try source.string("end_of_word_suffix") ?? "").utf8))
        guard max(affixes.prefix.count, affixes.suffix.count) <= Normalizers.largestInsertion else {
            throw source.failure(
                .badData, "a subword affix has more than \(Normalizers.largestInsertion) bytes",
                key: "continuing_subword_prefix")
        }
        if let dropout = source.object["dropout"], !dropout.isNull, dropout.double != 0 {
            throw source.failure(
                .unsupported, "BPE dropout would make ids random", key: "dropout", remedy: "Set it to null in the file")
        }
        unknownToken = try source.string("unk_token")
        fusesUnknown = try source.bool("fuse_unk", default: false)
        fallsBackToBytes = try source.bool("byte_fallback", default: false)
        ignoresMerges = try source.bool("ignore_merges", default: false)
    }
}

/// What the vocabulary puts before every character of a word but the first, and behind the last.
private struct Affixes: Sendable {
    let prefix: [UInt8]
    let suffix: [UInt8]

    var isEmpty: Bool { prefix.isEmpty && suffix.isEmpty }

    /// The character at a range of a word as the vocabulary spells it.
    func spelling(_ word: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> [UInt8] {
        (range.lowerBound > 0 ? prefix : []) + word[range] + (range.upperBound == word.count ? suffix : [])
    }
}
