internal import System

/// A SentencePiece model file (`tokenizer.model`): a protocol buffer `ModelProto` with the pieces and how text is
/// normalized.
struct SentencePieceFile {
    enum Kind: Int {
        case unigram = 1, bytePair, word, character
    }

    enum PieceType: Int {
        case normal = 1, unknown, control, userDefined, unused, byte
    }

    struct Piece {
        var text: [UInt8] = []
        var score: Float = 0
        var type = PieceType.normal
    }

    var pieces: [Piece] = []
    var kind = Kind.unigram
    var fallsBackToBytes = false
    var treatsSpaceAsSuffix = false
    var charsmap: [UInt8] = []
    var addsDummyPrefix = true
    var removesExtraSpaces = true
    var escapesSpaces = true
    /// The id of the unknown piece.
    private(set) var unknownID: Int32 = -1

    /// Reads a file.
    ///
    /// - Throws: `Failure`, `badData` for anything but a sound model, naming the piece or field.
    init(contentsOf bytes: [UInt8], file: String) throws(Failure) {
        func failure(_ what: String, _ field: String? = nil) -> Failure {
            Failure(
                .badData, what, at: .init(file: file, field: field),
                remedy: "tokenizer.model must be a SentencePiece model; one in another form needs a tokenizer.json")
        }
        var message = ProtocolBuffer(bytes[...])
        while let field = message.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let piece)):
                guard pieces.count < Vocabulary.largestCount else {
                    throw failure("has more than \(Vocabulary.largestCount) pieces")
                }
                guard let piece = Self.piece(piece) else { throw failure("is damaged", "pieces[\(pieces.count)]") }
                pieces.append(piece)
            case (2, .bytes(let trainer)):
                guard readTrainer(trainer) else { throw failure("is damaged", "trainer_spec") }
            case (3, .bytes(let normalizer)):
                guard readNormalizer(normalizer) else { throw failure("is damaged", "normalizer_spec") }
            default: break
            }
        }
        guard message.isSound, !pieces.isEmpty else { throw failure("is not a SentencePiece model") }
        try check(failure)
    }

    private mutating func check(_ failure: (String, String?) -> Failure) throws(Failure) {
        var known = ByteTable()
        for (index, piece) in pieces.enumerated() {
            guard !piece.text.isEmpty, piece.text.count <= TokenModels.longestToken,
                let text = String(validating: piece.text, as: UTF8.self)
            else {
                throw failure(
                    "the piece is not 1 to \(TokenModels.longestToken) bytes of UTF-8", "pieces[\(index)]")
            }
            guard known.insert(piece.text, value: 0) == nil else {
                throw failure("the piece \"\(text)\" is there twice", "pieces[\(index)]")
            }
            guard piece.score.isFinite else { throw failure("the score is not finite", "pieces[\(index)]") }
            guard piece.type == .unknown else { continue }
            guard unknownID < 0 else { throw failure("a second unknown piece", "pieces[\(index)]") }
            unknownID = Int32(index)
        }
        guard unknownID >= 0 else { throw failure("has no unknown piece", "pieces") }
        if fallsBackToBytes {
            var vocabulary = Vocabulary()
            for (index, piece) in pieces.enumerated() where piece.type == .byte {
                vocabulary.insert(piece.text, id: Int32(index))
            }
            guard !vocabulary.byteTokens().contains(-1) else {
                throw failure("falls back to bytes and has no piece for some of them", "pieces")
            }
        }
    }

    private static func piece(_ bytes: ArraySlice<UInt8>) -> Piece? {
        var piece = Piece()
        var message = ProtocolBuffer(bytes)
        while let field = message.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let text)): piece.text = Array(text)
            case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
            case (3, .integer(let type)):
                guard let type = PieceType(rawValue: Int(truncatingIfNeeded: type)) else { return nil }
                piece.type = type
            default: break
            }
        }
        return message.isSound ? piece : nil
    }

    private mutating func readTrainer(_ bytes: ArraySlice<UInt8>) -> Bool {
        var message = ProtocolBuffer(bytes)
        while let field = message.next() {
            switch (field.number, field.value) {
            case (3, .integer(let value)):
                guard let kind = Kind(rawValue: Int(truncatingIfNeeded: value)) else { return false }
                self.kind = kind
            case (24, .integer(let value)): treatsSpaceAsSuffix = value != 0
            case (35, .integer(let value)): fallsBackToBytes = value != 0
            default: break
            }
        }
        return message.isSound
    }

    private mutating func readNormalizer(_ bytes: ArraySlice<UInt8>) -> Bool {
        var message = ProtocolBuffer(bytes)
        while let field = message.next() {
            switch (field.number, field.value) {
            case (2, .bytes(let table)): charsmap = Array(table)
            case (3, .integer(let value)): addsDummyPrefix = value != 0
            case (4, .integer(let value)): removesExtraSpaces = value != 0
            case (5, .integer(let value)): escapesSpaces = value != 0
            default: break
            }
        }
        return message.isSound
    }
}

/// The fields of a protocol buffer message, in order.
struct ProtocolBuffer {
    enum Value {
        case integer(UInt64)
        case fixed32(UInt32)
        case fixed64(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>
    /// False once something was no field.
    private(set) var isSound = true

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field; nil at the end and where the message is damaged.
    mutating func next() -> (number: Int, value: Value)? {
        guard isSound, !rest.isEmpty else { return nil }
        guard let tag = variable(), tag >> 3 > 0, tag >> 3 < 1 << 29, let value = value(wireType: tag & 7) else {
            isSound = false
            return nil
        }
        return (Int(tag >> 3), value)
    }

    private mutating func value(wireType: UInt64) -> Value? {
        switch wireType {
        case 0: return variable().map { .integer($0) }
        case 1: return fixed(8).map { .fixed64($0) }
        case 2:
            guard let count = variable(), count <= UInt64(rest.count) else { return nil }
            defer { rest = rest.dropFirst(Int(count)) }
            return .bytes(rest.prefix(Int(count)))
        case 5: return fixed(4).map { .fixed32(UInt32(truncatingIfNeeded: $0)) }
        default: return nil
        }
    }

    private mutating func variable() -> UInt64? {
        var value: UInt64 = 0
        for shift in 0..<10 {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << UInt64(7 * shift)
            if byte < 0x80 { return value }
        }
        return nil
    }

    private mutating func fixed(_ count: Int) -> UInt64? {
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count).enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
    }
}
