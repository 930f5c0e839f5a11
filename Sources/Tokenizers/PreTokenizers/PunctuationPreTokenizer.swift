internal import System

/// Cuts at punctuation characters.
struct PunctuationPreTokenizer: PreTokenizer {
    static let typeName = "Punctuation"
    static let rule = SpanRule(.run(body: ScalarSet(traits: ScalarTraits.punctuation), longest: 1))
    private let behavior: SplitBehavior

    init(_ source: ComponentSource) throws(Failure) {
        behavior = try SplitBehavior(source, default: .isolated)
    }

    func split(_ text: inout PieceList) { text.split(by: Self.rule, behavior: behavior, inverted: false) }
}
