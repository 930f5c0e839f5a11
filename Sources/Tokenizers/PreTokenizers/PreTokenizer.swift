internal import System

/// A step that cuts text into the pieces that the model sees. A new one is one file and one line in
/// `PreTokenizers.all`.
protocol PreTokenizer: Sendable {
    /// The `type` in tokenizer.json.
    static var typeName: String { get }
    init(_ source: ComponentSource) throws(Failure)
    /// Whether characters stand for bytes after this step (`ByteAlphabet`). The text itself stays as it is: a model that
    /// can looks up raw bytes, with a vocabulary that was translated once; for all else that follows
    /// `PieceList.spellInByteAlphabet` spells them.
    var isByteLevel: Bool { get }
    /// Whether it matters to it that text begins where the original begins, whatever was removed there.
    var needsOrigin: Bool { get }
    /// Cuts every piece further; linear in the length of the text.
    func split(_ text: inout PieceList)
}

extension PreTokenizer {
    var isByteLevel: Bool { false }
    var needsOrigin: Bool { false }
}

/// A text and the pieces it is cut into, in order and without overlap; what lies between pieces is dropped.
struct PieceList {
    var text: AlignedText
    var pieces: [Range<Int>]
    /// Whether the text begins where the original begins.
    let isAtStart: Bool

    init(_ text: AlignedText, isAtStart: Bool) {
        self.text = text
        pieces = text.count > 0 ? [0..<text.count] : []
        self.isAtStart = isAtStart
    }

    /// Spells every byte as its character of the byte alphabet.
    mutating func spellInByteAlphabet() {
        var output = AlignedText(tracksOffsets: text.tracksOffsets)
        for index in pieces.indices {
            let start = output.count
            let spelled = text.spelledInByteAlphabet(pieces[index])
            output.append(spelled, 0..<spelled.count)
            pieces[index] = start..<output.count
        }
        text = output
    }

    /// Puts `prefix` before the pieces that `needsPrefix` selects (by index and range).
    mutating func insert(_ prefix: [UInt8], where needsPrefix: (Int, Range<Int>) -> Bool) {
        var output = AlignedText(tracksOffsets: text.tracksOffsets)
        var moved: [Range<Int>] = []
        moved.reserveCapacity(pieces.count)
        for (index, piece) in pieces.enumerated() {
            let start = output.count
            if needsPrefix(index, piece) {
                let origin = text.original(piece).lowerBound
                output.append(prefix, origin: origin..<origin)
            }
            output.append(text, piece)
            moved.append(start..<output.count)
        }
        text = output
        pieces = moved
    }
}

/// The registry of pre-tokenizers.
enum PreTokenizers {
    static let all: [any PreTokenizer.Type] = [
        SequencePreTokenizer.self,
        ByteLevelPreTokenizer.self,
        SplitPreTokenizer.self,
        MetaspacePreTokenizer.self,
        DigitsPreTokenizer.self,
        WhitespacePreTokenizer.self,
        WhitespaceSplitPreTokenizer.self,
        BertPreTokenizer.self,
        PunctuationPreTokenizer.self,
        CharDelimiterPreTokenizer.self,
        UnicodeScriptsPreTokenizer.self,
        FixedLengthPreTokenizer.self,
    ]

    /// The pre-tokenizer that a component describes.
    static func make(_ source: ComponentSource) throws(Failure) -> any PreTokenizer {
        let type = try source.type
        for candidate in all where candidate.typeName == type { return try candidate.init(source) }
        throw source.unknownType(type, known: all.map { $0.typeName })
    }
}
