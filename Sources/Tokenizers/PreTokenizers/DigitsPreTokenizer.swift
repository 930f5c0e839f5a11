internal import System

/// Cuts numbers from the rest: each digit by itself, or runs of digits.
struct DigitsPreTokenizer: PreTokenizer {
    static let typeName = "Digits"
    private let isolatesEach: Bool

    init(_ source: ComponentSource) throws(Failure) {
        isolatesEach = try source.bool("individual_digits", default: false)
    }

    func split(_ text: inout PieceList) {
        text.split(
            by: ClassRule(classes: CharacterClass.number, longest: 1), behavior: isolatesEach ? .isolated : .contiguous,
            inverted: false)
    }
}
