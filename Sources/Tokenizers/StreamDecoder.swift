/// Decodes ids one by one and gives out text as soon as it is certain, never half a character.
///
/// The pieces joined are the text that `Tokenizer.decode` gives for all ids, wherever the ids came from a text. Ids that
/// no text makes can change text that is out already (a run of byte tokens is no UTF-8 at all if its last one is not);
/// what is out then stays. Each step costs the length of a few tokens.
public struct StreamDecoder: Sendable {
    /// Tokens that are kept as context at most.
    private static let longestContext = 64

    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// Tokens given out last, as context, then those not given out. Decoders treat the first token and the start of the
    /// text apart, so that the context is never without text once there was some.
    private var texts: [[UInt8]] = []
    private var contextCount = 0
    /// The text of the context, as UTF-8.
    private var contextText: [UInt8] = []

    init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        skipsSpecialTokens = skipSpecialTokens
    }

    /// The text that has become certain with this id; often empty.
    public mutating func append(_ id: Int32) -> String {
        let new = tokenizer.texts(CollectionOfOne(id), skipSpecialTokens: skipsSpecialTokens)
        guard !new.isEmpty else { return "" }
        texts.append(contentsOf: new)
        return tokenizer.unfinishedCount(texts) > 0 ? "" : take()
    }

    /// What is left at the end: unfinished characters as U+FFFD.
    public mutating func finish() -> String { texts.count > contextCount ? take() : "" }

    private mutating func take() -> String {
        let whole = Array(tokenizer.join(texts).utf8)
        let fresh: String
        if whole.starts(with: contextText) {
            fresh = String(decoding: whole.dropFirst(contextText.count), as: UTF8.self)
        } else {
            fresh = tokenizer.join(Array(texts[contextCount...]))
        }
        // The shortest context with text that holds what is new; all of it where there is no text yet.
        var start = contextCount
        contextText = Array(tokenizer.join(Array(texts[start...])).utf8)
        while contextText.isEmpty, start > 0 {
            start = max(0, start - max(1, texts.count - start))
            contextText = Array(tokenizer.join(Array(texts[start...])).utf8)
        }
        if contextText.isEmpty, texts.count > Self.longestContext { start = texts.count - Self.longestContext }
        texts.removeFirst(start)
        contextCount = texts.count
        return fresh
    }
}
