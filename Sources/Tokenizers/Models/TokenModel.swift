internal import System

/// What turns a piece of text into ids. A new kind is one file and one line in `TokenModels.all`.
protocol TokenModel: Sendable {
    /// The `type` in tokenizer.json.
    static var typeName: String { get }
    /// - Parameter isByteLevel: whether characters of the vocabulary stand for bytes (`ByteAlphabet`).
    init(_ source: ComponentSource, isByteLevel: Bool) throws(Failure)
    var vocabulary: Vocabulary { get }
    /// What a person should know about this vocabulary.
    var warnings: [String] { get }
    /// A model that gives none of these ids for ordinary text; nil where this one gives none already.
    func withholding(_ ids: Set<Int32>) -> Self?
    /// Appends the ids of a piece and the bytes of the piece each stands for.
    func encode(
        _ piece: UnsafeBufferPointer<UInt8>, _ cache: inout WordCache, _ output: inout TokenBuffer)
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

    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
    }
}

/// The registry of models.
enum TokenModels {
    static let all: [any TokenModel.Type] = [
        BytePairModel.self
    ]

    /// The model that a component describes. Old files leave out the type of a model with merges.
    static func make(_ source: ComponentSource, isByteLevel: Bool) throws(Failure) -> any TokenModel {
        var type = try source.string("type")
        if type == nil, source.object["merges"] != nil { type = BytePairModel.typeName }
        if type == nil { type = try source.type }
        for candidate in all where candidate.typeName == type {
            return try candidate.init(source, isByteLevel: isByteLevel)
        }
        throw source.unknownType(type ?? "", known: all.map { $0.typeName })
    }
}
