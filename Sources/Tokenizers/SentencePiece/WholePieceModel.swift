/// The word and the character models of SentencePiece: text is cut into words or characters, and each is a piece or
/// unknown.
///
/// As `word::Model::Encode` and `character::Model::Encode` of the library do it: a word goes from a visible space to the
/// next, a user-defined piece counts as one character. Neighbouring unknown ones are one unknown token, or their bytes.
struct WholePieceModel: TokenModel {
    private static let visibleSpace: [UInt8] = [0xE2, 0x96, 0x81]

    let vocabulary: Vocabulary
    private let cutsWords: Bool
    /// The pieces that text makes.
    private let pieces: ByteTable
    private let unknownID: Int32
    /// Empty without byte fallback.
    private let byteTokens: [Int32]
    private let userDefined: DoubleArrayTrie?

    init(_ file: SentencePieceFile, _ vocabulary: Vocabulary, userDefined: DoubleArrayTrie?, byteTokens: [Int32]) {
        self.vocabulary = vocabulary
        self.userDefined = userDefined
        self.byteTokens = byteTokens
        cutsWords = file.kind == .word
        unknownID = file.unknownID
        var pieces = ByteTable()
        for (id, piece) in file.pieces.enumerated() {
            switch piece.type {
            case .normal, .userDefined, .unused: pieces.insert(piece.text, value: Int32(id))
            case .unknown, .control, .byte: break
            }
        }
        self.pieces = pieces
    }

    /// Control pieces are never made of text.
    func withholding(_ ids: Set<Int32>) -> WholePieceModel? { nil }

    func encode(_ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer) {
        var start = 0
        var followsUnknown = false
        while start < piece.count {
            let end = cutsWords ? wordEnd(piece, start) : characterEnd(piece, start)
            let part = UnsafeBufferPointer(rebasing: piece[start..<end])
            let id = pieces.find(part)
            if let id {
                output.append(id, Int32(part.count))
            } else if !byteTokens.isEmpty {
                for byte in part { output.append(byteTokens[Int(byte)], 1) }
            } else if followsUnknown {
                output.lengths[output.lengths.count - 1] += Int32(part.count)
            } else {
                output.append(unknownID, Int32(part.count))
            }
            followsUnknown = id == nil
            start = end
        }
    }

    /// Where the next word begins.
    private func wordEnd(_ piece: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        let space = Self.visibleSpace
        var index = start + 1
        while index < piece.count {
            if piece[index] == space[0], piece.count - index >= space.count, piece[index + 1] == space[1],
                piece[index + 2] == space[2]
            {
                return index
            }
            index += 1
        }
        return piece.count
    }

    private func characterEnd(_ piece: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var end = start + UTF8Decoding.byteCount(first: piece[start])
        var longest = start
        userDefined?.prefixes(of: piece, from: start) { _, end in longest = end }
        if longest > start { end = longest }
        return end
    }
}
