internal import System

/// Words and what is neither word nor white space: the matches of `\w+|[^\w\s]+`.
struct WhitespacePreTokenizer: PreTokenizer {
    static let typeName = "Whitespace"
    private static let rule = SpanRule(
        .run(body: ScalarSet(traits: ScalarTraits.word)),
        .run(body: ScalarSet(classes: CharacterClass.space, traits: ScalarTraits.word, isNegated: true)))

    init(_ source: ComponentSource) throws(Failure) {}

    func split(_ text: inout PieceList) { text.split(by: Self.rule, behavior: .removed, inverted: true) }
}

/// Cuts at white space and drops it.
struct WhitespaceSplitPreTokenizer: PreTokenizer {
    static let typeName = "WhitespaceSplit"
    static let rule = SpanRule(.run(body: ScalarSet(classes: CharacterClass.space)))

    init(_ source: ComponentSource) throws(Failure) {}

    func split(_ text: inout PieceList) { text.split(by: Self.rule, behavior: .removed, inverted: false) }
}

/// BERT's: cuts at white space, drops it, and isolates every punctuation character.
struct BertPreTokenizer: PreTokenizer {
    static let typeName = "BertPreTokenizer"

    init(_ source: ComponentSource) throws(Failure) {}

    func split(_ text: inout PieceList) {
        text.split(by: WhitespaceSplitPreTokenizer.rule, behavior: .removed, inverted: false)
        text.split(by: PunctuationPreTokenizer.rule, behavior: .isolated, inverted: false)
    }
}
