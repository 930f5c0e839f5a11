/// Decodes ids one by one and gives out text as soon as it is certain, never half a character.
///
/// The pieces joined are the text that `Tokenizer.decode` gives for all ids, wherever the ids came from a text.
/// Each step costs the length of a few tokens.
public struct StreamDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// Tokens given out last, as context (decoders treat the first token apart), then those not given out.
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
        let fresh = String(decoding: whole.dropFirst(contextText.count), as: UTF8.self)
        texts.removeFirst(contextCount)
        contextCount = texts.count
        contextText = Array(tokenizer.join(texts).utf8)
        return fresh
    }
}
