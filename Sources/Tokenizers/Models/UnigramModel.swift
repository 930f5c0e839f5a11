internal import System

/// A unigram language model (Kudo 2018): of all ways to cut a word into tokens, the one with the largest sum of their log
/// probabilities, added up from left to right; of equal ones the first found.
///
/// A character without a token scores 10 below the least score; neighbouring unknown characters are one unknown token, or
/// their bytes.
struct UnigramModel: TokenModelComponent {
    static let typeName = "Unigram"
    static let unknownPenalty = 10.0

    let vocabulary: Vocabulary
    /// Of each id, what it adds to a path.
    private let scores: [Double]
    private let unknownID: Int32
    private let unknownScore: Double
    private let trie: DoubleArrayTrie
    /// Empty without byte fallback.
    private let byteTokens: [Int32]
    /// Whether sums are rounded to single precision, as SentencePiece stores them.
    private let roundsSums: Bool
    /// Whether a run of unknown characters that is a token as a whole is that token, as the `tokenizers` library has it.
    private let looksUpRuns: Bool
    /// Tokens that ordinary text does not make, by id; empty where there are none.
    private var isWithheld: [Bool] = []

    init(_ source: ComponentSource, isByteLevel: Bool) throws(Failure) {
        let entries = try source.array("vocab")
        guard entries.count <= Vocabulary.largestCount else {
            throw source.failure(
                .badData, "has \(entries.count) tokens; at most \(Vocabulary.largestCount) are expected", key: "vocab")
        }
        var vocabulary = Vocabulary()
        var scores: [Double] = []
        scores.reserveCapacity(entries.count)
        for (index, entry) in entries.enumerated() {
            guard let pair = entry.array, pair.count == 2, let token = pair[0].string, let score = pair[1].double,
                score.isFinite
            else { throw source.failure(.badData, "[\"token\", score] is expected", key: "vocab[\(index)]") }
            guard token.utf8.count <= TokenModels.longestToken else {
                throw source.failure(
                    .badData,
                    "the token has \(token.utf8.count) bytes; at most \(TokenModels.longestToken) are expected",
                    key: "vocab[\(index)]")
            }
            vocabulary.insert(Array(token.utf8), id: Int32(index))
            scores.append(score)
        }
        guard let unknown = source.object["unk_id"]?.integer, entries.indices.contains(unknown) else {
            throw source.failure(
                .badData, "the id of a token is expected: every character outside the vocabulary needs it",
                key: "unk_id")
        }
        unknownID = Int32(unknown)
        unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
        byteTokens = try source.bool("byte_fallback", default: false) ? vocabulary.byteTokens() : []
        roundsSums = false
        looksUpRuns = true
        trie = Self.trie(vocabulary) { _ in true }
        self.vocabulary = vocabulary
        self.scores = scores
    }

    /// A model as SentencePiece computes it.
    ///
    /// - Parameters:
    ///   - scores: of every id; those of ids that text does not make do not count.
    ///   - isMade: whether text makes an id.
    init(
        _ vocabulary: Vocabulary, scores: [Double], unknownID: Int32, unknownScore: Double, byteTokens: [Int32],
        isMade: (Int32) -> Bool
    ) {
        self.unknownID = unknownID
        self.unknownScore = unknownScore
        self.byteTokens = byteTokens
        roundsSums = true
        looksUpRuns = false
        trie = Self.trie(vocabulary, isMade)
        self.vocabulary = vocabulary
        self.scores = scores
    }

    /// The tokens by their texts; of two with the same text the later counts.
    private static func trie(_ vocabulary: Vocabulary, _ isMade: (Int32) -> Bool) -> DoubleArrayTrie {
        var keys: [(key: ArraySlice<UInt8>, value: Int32)] = []
        for id in 0..<Int32(vocabulary.idEnd) where isMade(id) {
            guard let token = vocabulary.bytes(id), !token.isEmpty, vocabulary.id(Array(token)) == id else { continue }
            keys.append((token, id))
        }
        return DoubleArrayTrie(keys)
    }

    func withholding(_ ids: Set<Int32>) -> UnigramModel? {
        guard ids.contains(where: { Int($0) < scores.count }) else { return nil }
        var copy = self
        copy.isWithheld = (0..<Int32(scores.count)).map { ids.contains($0) }
        return copy
    }

    private func isWithheld(_ id: Int32) -> Bool { !isWithheld.isEmpty && isWithheld[Int(id)] }

    func encode(_ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer) {
        guard piece.count > 0 else { return }
        scratch.appendTokens(of: piece, to: &output) { scratch, output in
            search(piece, &scratch.path)
            emit(piece, &scratch.path, &output)
        }
    }

    /// The best path to the end of every prefix that ends with a character.
    private func search(_ piece: UnsafeBufferPointer<UInt8>, _ path: inout BestPath) {
        path.reset(piece.count)
        path.nodes.withUnsafeMutableBufferPointer { nodes in
            var start = 0
            while start < piece.count {
                let scoreHere = nodes[start].score
                let characterEnd = start + UTF8Decoding.byteCount(first: piece[start])
                var hasCharacter = false
                trie.prefixes(of: piece, from: start) { id, end in
                    if isWithheld(id) { return }
                    nodes[end].offer(scores[Int(id)] + scoreHere, from: start, id: id, rounds: roundsSums)
                    if end == characterEnd { hasCharacter = true }
                }
                if !hasCharacter {
                    nodes[characterEnd].offer(
                        unknownScore + scoreHere, from: start, id: unknownID, rounds: roundsSums)
                }
                start = characterEnd
            }
        }
    }

    /// Appends the tokens of the best path to the end.
    private func emit(_ piece: UnsafeBufferPointer<UInt8>, _ path: inout BestPath, _ output: inout TokenBuffer) {
        path.traceBack(from: piece.count)
        var unknownStart: Int?
        for index in path.steps.indices.reversed() {
            let (start, end) = (Int(path.steps[index].start), Int(path.steps[index].end))
            let id = path.steps[index].id
            if id == unknownID {
                if unknownStart == nil { unknownStart = start }
                if index > 0, path.steps[index - 1].id == unknownID { continue }
                emitUnknown(UnsafeBufferPointer(rebasing: piece[(unknownStart ?? start)..<end]), &output)
                unknownStart = nil
            } else {
                output.append(id, Int32(end - start))
            }
        }
    }

    /// A run of unknown characters: it may be a token as a whole, else its bytes, else the unknown token.
    private func emitUnknown(_ run: UnsafeBufferPointer<UInt8>, _ output: inout TokenBuffer) {
        if looksUpRuns, let id = vocabulary.id(run), !isWithheld(id) { return output.append(id, Int32(run.count)) }
        guard !byteTokens.isEmpty, run.allSatisfy({ byteTokens[Int($0)] >= 0 }) else {
            return output.append(unknownID, Int32(run.count))
        }
        for byte in run { output.append(byteTokens[Int(byte)], 1) }
    }
}

/// The best way to reach every position of a word, kept between words.
struct BestPath: Sendable {
    struct Node: Sendable {
        var score = 0.0
        /// Where the last token begins; -1 before the position was reached.
        var start: Int32 = -1
        var id: Int32 = -1

        /// Takes a way to here if it is better than the one known.
        @inline(__always)
        mutating func offer(_ candidate: Double, from position: Int, id token: Int32, rounds: Bool) {
            guard start < 0 || candidate > score else { return }
            score = rounds ? Double(Float(candidate)) : candidate
            start = Int32(truncatingIfNeeded: position)
            id = token
        }
    }

    var nodes: [Node] = []
    /// The tokens of the path, last first.
    private(set) var steps: [(start: Int32, end: Int32, id: Int32)] = []

    /// Longer lists are given back after use.
    private static let longestKept = 1 << 16

    mutating func reset(_ count: Int) {
        if nodes.count > Self.longestKept, count < Self.longestKept { nodes = [] }
        if nodes.count <= count {
            nodes.append(contentsOf: repeatElement(Node(), count: count + 1 - nodes.count))
        }
        for index in 0...count { nodes[index] = Node() }
    }

    /// Finds the steps of the path that ends at a position.
    mutating func traceBack(from end: Int) {
        steps.removeAll(keepingCapacity: true)
        var position = Int32(end)
        while position > 0 {
            let node = nodes[Int(position)]
            steps.append((node.start, position, node.id))
            position = node.start
        }
    }
}
