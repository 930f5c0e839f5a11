internal import System

/// A step that rewrites text before it is split.
protocol Normalizer: Sendable {
    /// How many times as long text becomes by what the file inserts, not counting what is added once. What Unicode
    /// prescribes counts as 1: it is bounded (11 at most, U+FDFA) and does not grow again when it is repeated.
    var growth: Double { get }
    /// Rewrites a piece of text, linear in its length.
    func normalize(_ text: inout AlignedText)
}

extension Normalizer {
    var growth: Double { 1 }
}

/// A normalizer of tokenizer.json. A new one is one file and one line in `Normalizers.all`.
protocol NormalizerComponent: Normalizer {
    /// The `type` in tokenizer.json.
    static var typeName: String { get }
    init(_ source: ComponentSource) throws(Failure)
}

/// The registry of normalizers.
enum Normalizers {
    static let all: [any NormalizerComponent.Type] = [
        SequenceNormalizer.self,
        PrependNormalizer.self,
        ReplaceNormalizer.self,
        NFCNormalizer.self,
        NFDNormalizer.self,
        NFKCNormalizer.self,
        NFKDNormalizer.self,
        StripNormalizer.self,
        StripAccentsNormalizer.self,
        LowercaseNormalizer.self,
        BertNormalizer.self,
        NmtNormalizer.self,
        PrecompiledNormalizer.self,
        ByteLevelNormalizer.self,
    ]

    /// Text that a file may insert at once, in bytes.
    static let largestInsertion = 64
    /// Normalized text may be this many times as long as the text.
    static let largestGrowth = 32.0

    /// The normalizer that a component describes.
    static func make(_ source: ComponentSource) throws(Failure) -> any Normalizer {
        let type = try source.type
        for candidate in all where candidate.typeName == type { return try candidate.init(source) }
        throw source.unknownType(type, known: all.map { $0.typeName })
    }
}
