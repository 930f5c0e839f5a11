internal import System

/// WordPiece: from the left the longest token that fits, those inside a word with a prefix; a word that cannot be cut so
/// is unknown as a whole.
struct WordPieceModel: TokenModelComponent {
    static let typeName = "WordPiece"

    let vocabulary: Vocabulary
    private let unknownID: Int32
    /// Longer words, in characters, are unknown.
    private let longestWord: Int
    /// Tokens at the beginning of a word, and inside it, these without their prefix.
    private let first: DoubleArrayTrie
    private let continuing: DoubleArrayTrie
    private var withheld: Set<Int32> = []

    init(_ source: ComponentSource, isByteLevel: Bool) throws(Failure) {
        vocabulary = try Vocabulary(source.requiredObject("vocab"), source: source)
        unknownID = try vocabulary.unknownID(try source.string("unk_token") ?? "[UNK]", source: source)
        longestWord = try source.count("max_input_chars_per_word", default: 100)
        let prefix = Array((try source.string("continuing_subword_prefix") ?? "##").utf8)
        var first: [(key: ArraySlice<UInt8>, value: Int32)] = []
        var continuing = first
        for id in 0..<Int32(vocabulary.idEnd) {
            guard let token = vocabulary.bytes(id), !token.isEmpty else { continue }
            guard token.count <= TokenModels.longestToken else {
                throw source.failure(
                    .badData, "a token has \(token.count) bytes; at most \(TokenModels.longestToken) are expected",
                    key: "vocab")
            }
            first.append((token, id))
            if token.count > prefix.count, token.starts(with: prefix) {
                continuing.append((token.dropFirst(prefix.count), id))
            }
        }
        self.first = DoubleArrayTrie(first)
        self.continuing = DoubleArrayTrie(continuing)
    }

    func withholding(_ ids: Set<Int32>) -> WordPieceModel? {
        guard ids.contains(where: { vocabulary.bytes($0) != nil }) else { return nil }
        var copy = self
        copy.withheld = ids
        return copy
    }

    func encode(_ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer) {
        guard piece.count > 0 else { return }
        let isKept = piece.count <= WordCache.longestWord
        if isKept, scratch.words.append(piece, to: &output) { return }
        let start = output.ids.count
        if !cut(piece, &output) {
            output.removeLast(output.ids.count - start)
            output.append(unknownID, Int32(piece.count))
        }
        if isKept { scratch.words.keep(piece, output, from: start) }
    }

    /// Appends the tokens of a word; false where it cannot be cut.
    private func cut(_ word: UnsafeBufferPointer<UInt8>, _ output: inout TokenBuffer) -> Bool {
        // A word of at most so many bytes has at most so many characters.
        if word.count > longestWord {
            guard word.reduce(0, { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) }) <= longestWord else { return false }
        }
        var start = 0
        while start < word.count {
            var best: (id: Int32, end: Int)?
            (start == 0 ? first : continuing).prefixes(of: word, from: start) { id, end in
                if withheld.isEmpty || !withheld.contains(id) { best = (id, end) }
            }
            guard let (id, end) = best else { return false }
            output.append(id, Int32(end - start))
            start = end
        }
        return true
    }
}
