internal import System

/// Cuts numbers from the rest: each digit by itself, or runs of digits.
struct DigitsPreTokenizer: PreTokenizer {
    static let typeName = "Digits"
    private static let rule = SpanRule(.run(body: ScalarSet(traits: ScalarTraits.numeric), longest: 1))
    private let isolatesEach: Bool

    init(_ source: ComponentSource) throws(Failure) {
        isolatesEach = try source.bool("individual_digits", default: false)
    }

    func split(_ text: inout PieceList) {
        text.split(by: Self.rule, behavior: isolatesEach ? .isolated : .contiguous, inverted: false)
    }
}
