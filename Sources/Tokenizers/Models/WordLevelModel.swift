internal import System

/// Whole words, or the unknown token.
struct WordLevelModel: TokenModelComponent {
    static let typeName = "WordLevel"

    let vocabulary: Vocabulary
    private let unknownID: Int32
    private var withheld: Set<Int32> = []

    init(_ source: ComponentSource, isByteLevel: Bool) throws(Failure) {
        vocabulary = try Vocabulary(source.requiredObject("vocab"), source: source)
        unknownID = try vocabulary.unknownID(try source.string("unk_token") ?? "<unk>", source: source)
    }

    func withholding(_ ids: Set<Int32>) -> WordLevelModel? {
        var copy = self
        copy.withheld = ids
        return copy
    }

    func encode(_ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer) {
        guard piece.count > 0 else { return }
        let id = vocabulary.id(piece)
        output.append(id.flatMap { withheld.contains($0) ? nil : $0 } ?? unknownID, Int32(piece.count))
    }
}
