internal import System

/// One pre-tokenizer after the other.
struct SequencePreTokenizer: PreTokenizer {
    static let typeName = "Sequence"
    private let preTokenizers: [any PreTokenizer]

    init(_ source: ComponentSource) throws(Failure) {
        var preTokenizers: [any PreTokenizer] = []
        for component in try source.components("pretokenizers") {
            guard preTokenizers.last?.isByteLevel != true else {
                throw component.failure(.unsupported, "a pre-tokenizer after a ByteLevel one is not supported")
            }
            preTokenizers.append(try PreTokenizers.make(component))
        }
        self.preTokenizers = preTokenizers
    }

    var isByteLevel: Bool { preTokenizers.last?.isByteLevel ?? false }

    func split(_ text: inout PieceList) {
        for preTokenizer in preTokenizers { preTokenizer.split(&text) }
    }
}
