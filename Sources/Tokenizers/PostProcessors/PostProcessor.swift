internal import System

/// A step that puts special tokens around the ids of a text. A new one is one file and one line in
/// `PostProcessors.all`.
protocol PostProcessor: Sendable {
    /// The `type` in tokenizer.json.
    static var typeName: String { get }
    init(_ source: ComponentSource) throws(Failure)
    /// Ids before the text.
    var prefix: [Int32] { get }
    /// Ids after the text.
    var suffix: [Int32] { get }
}

/// The registry of post-processors.
enum PostProcessors {
    static let all: [any PostProcessor.Type] = [
        SequencePostProcessor.self,
        TemplatePostProcessor.self,
        ByteLevelPostProcessor.self,
        BertPostProcessor.self,
        RobertaPostProcessor.self,
    ]

    /// The post-processor that a component describes.
    static func make(_ source: ComponentSource) throws(Failure) -> any PostProcessor {
        let type = try source.type
        for candidate in all where candidate.typeName == type { return try candidate.init(source) }
        throw source.unknownType(type, known: all.map { $0.typeName })
    }
}

/// One post-processor around the other.
struct SequencePostProcessor: PostProcessor {
    static let typeName = "Sequence"
    let prefix: [Int32]
    let suffix: [Int32]

    init(_ source: ComponentSource) throws(Failure) {
        var prefix: [Int32] = [], suffix: [Int32] = []
        for component in try source.components("processors") {
            let processor = try PostProcessors.make(component)
            prefix = processor.prefix + prefix
            suffix += processor.suffix
        }
        self.prefix = prefix
        self.suffix = suffix
    }
}

/// Changes offsets in the `tokenizers` library (by trimming spaces) and no ids; offsets here are never trimmed.
struct ByteLevelPostProcessor: PostProcessor {
    static let typeName = "ByteLevel"
    var prefix: [Int32] { [] }
    var suffix: [Int32] { [] }

    init(_ source: ComponentSource) throws(Failure) {}
}
