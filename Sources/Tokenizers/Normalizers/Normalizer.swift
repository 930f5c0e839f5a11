internal import System

/// A step that rewrites text before it is split. A new one is one file and one line in `Normalizers.all`.
protocol Normalizer: Sendable {
    /// The `type` in tokenizer.json.
    static var typeName: String { get }
    init(_ source: ComponentSource) throws(Failure)
    /// The most bytes it can make of one, not counting text it adds once.
    var growth: Double { get }
    /// Rewrites a piece of text, linear in its length.
    func normalize(_ text: inout AlignedText)
}

/// The registry of normalizers.
enum Normalizers {
    static let all: [any Normalizer.Type] = [
        SequenceNormalizer.self,
        PrependNormalizer.self,
        ReplaceNormalizer.self,
        NFCNormalizer.self,
        StripNormalizer.self,
        LowercaseNormalizer.self,
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
