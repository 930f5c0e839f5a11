internal import System

/// Pieces of so many characters.
struct FixedLengthPreTokenizer: PreTokenizer {
    static let typeName = "FixedLength"
    private let rule: SpanRule

    init(_ source: ComponentSource) throws(Failure) {
        let length = try source.count("length", default: 5)
        guard length > 0 else { throw source.failure(.badData, "a length of at least 1 is expected", key: "length") }
        rule = SpanRule(.run(body: ScalarSet(isNegated: true), longest: length))
    }

    func split(_ text: inout PieceList) { text.split(by: rule, behavior: .isolated, inverted: false) }
}
