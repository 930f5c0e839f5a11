internal import System

/// What turns a piece of text into ids.
protocol TokenModel: Sendable {
    /// Whether pieces are raw bytes where the vocabulary is byte-level; else they are spelled in the byte alphabet.
    var readsBytes: Bool { get }
    var vocabulary: Vocabulary { get }
    /// What a person should know about this vocabulary.
    var warnings: [String] { get }
    /// A model that gives none of these ids for ordinary text; nil where this one gives none already.
    func withholding(_ ids: Set<Int32>) -> Self?
    /// Appends the ids of a piece and the bytes of the piece each stands for.
    func encode(
        _ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout ModelScratch, _ output: inout TokenBuffer)
}

extension TokenModel {
    var readsBytes: Bool { false }
    var warnings: [String] { [] }
}

/// A model of tokenizer.json. A new kind is one file and one line in `TokenModels.all`.
protocol TokenModelComponent: TokenModel {
    /// The `type` in tokenizer.json.
    static var typeName: String { get }
    /// - Parameter isByteLevel: whether characters of the vocabulary stand for bytes (`ByteAlphabet`).
    init(_ source: ComponentSource, isByteLevel: Bool) throws(Failure)
}

/// Ids and the lengths in bytes of the text they stand for.
struct TokenBuffer {
    var ids: [Int32] = []
    var lengths: [Int32] = []

    @inline(__always)
    mutating func append(_ id: Int32, _ length: Int32) {
        ids.append(id)
        lengths.append(length)
    }

    mutating func removeLast(_ count: Int) {
        ids.removeLast(count)
        lengths.removeLast(count)
    }

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
    }
}

/// The registry of models.
enum TokenModels {
    static let all: [any TokenModelComponent.Type] = [
        BytePairModel.self,
        UnigramModel.self,
        WordPieceModel.self,
        WordLevelModel.self,
    ]

    /// Longer tokens are refused where every position of a text is compared with tokens.
    static let longestToken = 1024

    /// The model that a component describes. Old files leave out its type.
    static func make(_ source: ComponentSource, isByteLevel: Bool) throws(Failure) -> any TokenModel {
        var type = try source.string("type")
        if type == nil {
            if source.object["merges"] != nil {
                type = BytePairModel.typeName
            } else if source.object["max_input_chars_per_word"] != nil {
                type = WordPieceModel.typeName
            } else if source.object["vocab"]?.array != nil {
                type = UnigramModel.typeName
            }
        }
        if type == nil { type = try source.type }
        for candidate in all where candidate.typeName == type {
            return try candidate.init(source, isByteLevel: isByteLevel)
        }
        throw source.unknownType(type ?? "", known: all.map { $0.typeName })
    }
}
