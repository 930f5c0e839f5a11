internal import System

/// One pre-tokenizer after the other.
struct SequencePreTokenizer: PreTokenizer {
    static let typeName = "Sequence"
    private let preTokenizers: [any PreTokenizer]

    init(_ source: ComponentSource) throws(Failure) {
        var preTokenizers: [any PreTokenizer] = []
        for component in try source.components("pretokenizers") {
            preTokenizers.append(try PreTokenizers.make(component))
        }
        self.preTokenizers = preTokenizers
    }

    var isByteLevel: Bool { preTokenizers.last?.isByteLevel ?? false }

    var needsOrigin: Bool { preTokenizers.contains { $0.needsOrigin } }

    func split(_ text: inout PieceList) {
        for (index, preTokenizer) in preTokenizers.enumerated() {
            preTokenizer.split(&text)
            // What follows sees the characters that stand for bytes.
            if preTokenizer.isByteLevel, index + 1 < preTokenizers.count { text.spellInByteAlphabet() }
        }
    }
}
