/// Ids of words that were encoded before. Bounded: it empties itself when full.
struct WordCache: Sendable {
    /// Longer words are not kept.
    static let longestWord = 64
    private static let largestCount = 1 << 16

    private var words = ByteTable()
    private var ids: [Int32] = []
    private var lengths: [Int32] = []
    /// First token of each word; the next word's first token ends it.
    private var starts: [Int32] = [0]

    /// Appends the tokens of a word, if it is known.
    @inline(__always)
    func append(_ word: UnsafeBufferPointer<UInt8>, to output: inout TokenBuffer) -> Bool {
        guard let index = words.find(word) else { return false }
        for token in Int(starts[Int(index)])..<Int(starts[Int(index) + 1]) { output.append(ids[token], lengths[token]) }
        return true
    }

    /// Keeps the tokens of a word: those that `output` has from `first` on.
    mutating func keep(_ word: UnsafeBufferPointer<UInt8>, _ output: TokenBuffer, from first: Int) {
        if words.count >= Self.largestCount {
            words.removeAll()
            ids.removeAll(keepingCapacity: true)
            lengths.removeAll(keepingCapacity: true)
            starts = [0]
        }
        guard words.insert(word, value: Int32(words.count)) == nil else { return }
        ids.append(contentsOf: output.ids[first...])
        lengths.append(contentsOf: output.lengths[first...])
        starts.append(Int32(ids.count))
    }
}

extension ModelScratch {
    /// Appends the tokens of a word: those it had the last time, else what `encode` appends.
    @inline(__always)
    mutating func appendTokens(
        of word: UnsafeBufferPointer<UInt8>, to output: inout TokenBuffer,
        _ encode: (_ scratch: inout ModelScratch, _ output: inout TokenBuffer) -> Void
    ) {
        guard word.count <= WordCache.longestWord else { return encode(&self, &output) }
        if words.append(word, to: &output) { return }
        let first = output.ids.count
        encode(&self, &output)
        words.keep(word, output, from: first)
    }
}
