/// Decodes ids one by one and gives out text as soon as it is certain, never half a character.
///
/// The pieces joined are the text that `Tokenizer.decode` gives for all ids, whatever they are. What later ids may change
/// stays back: the beginning of a character; a run of byte tokens, which is no UTF-8 at all if its last byte is not; the
/// last token where the last of all is treated apart. Each step costs the length of a token.
public struct StreamDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    private var pass: any DecoderPass
    private var hasEnded = false

    init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        skipsSpecialTokens = skipSpecialTokens
        pass = tokenizer.decoder.begin()
    }

    /// The text that has become certain with this id; often empty.
    public mutating func append(_ id: Int32) -> String {
        guard let text = tokenizer.text(of: id, skipSpecialTokens: skipsSpecialTokens) else { return "" }
        var parts: [TokenPart] = []
        pass.append(.whole(text), to: &parts)
        return Self.joined(parts)
    }

    /// What is left at the end: unfinished characters as U+FFFD. Nothing may be appended afterwards.
    public mutating func finish() -> String {
        guard !hasEnded else { return "" }
        hasEnded = true
        var parts: [TokenPart] = []
        pass.finish(&parts)
        return Self.joined(parts)
    }

    /// What `finish` would give if this were the end.
    public var rest: String {
        var copy = self
        return copy.finish()
    }

    private static func joined(_ parts: [TokenPart]) -> String {
        parts.reduce(into: "") { $0 += String(decoding: $1.bytes, as: UTF8.self) }
    }
}
