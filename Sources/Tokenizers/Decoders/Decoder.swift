internal import System

/// A step that turns the texts of tokens back into text. A new one is one file and one line in `Decoders.all`.
protocol Decoder: Sendable {
    /// The `type` in tokenizer.json.
    static var typeName: String { get }
    init(_ source: ComponentSource) throws(Failure)
    /// Rewrites the texts; the result is their concatenation. Each is valid UTF-8 before and after.
    func decode(_ tokens: inout [[UInt8]])
    /// How many tokens at the end stand for the beginning of a character that later tokens may finish.
    func unfinishedCount(_ tokens: [[UInt8]]) -> Int
}

extension Decoder {
    func unfinishedCount(_ tokens: [[UInt8]]) -> Int { 0 }
}

/// The registry of decoders.
enum Decoders {
    static let all: [any Decoder.Type] = [
        SequenceDecoder.self,
        ByteLevelDecoder.self,
        ByteFallbackDecoder.self,
        FuseDecoder.self,
        ReplaceDecoder.self,
        StripDecoder.self,
        MetaspaceDecoder.self,
        WordPieceDecoder.self,
        CTCDecoder.self,
        BPEDecoder.self,
    ]

    /// The decoder that a component describes.
    static func make(_ source: ComponentSource) throws(Failure) -> any Decoder {
        let type = try source.type
        for candidate in all where candidate.typeName == type { return try candidate.init(source) }
        throw source.unknownType(type, known: all.map { $0.typeName })
    }
}

/// One decoder after the other.
struct SequenceDecoder: Decoder {
    static let typeName = "Sequence"
    private let decoders: [any Decoder]

    init(_ source: ComponentSource) throws(Failure) {
        var decoders: [any Decoder] = []
        for component in try source.components("decoders") { decoders.append(try Decoders.make(component)) }
        self.decoders = decoders
    }

    func decode(_ tokens: inout [[UInt8]]) {
        for decoder in decoders { decoder.decode(&tokens) }
    }

    func unfinishedCount(_ tokens: [[UInt8]]) -> Int { decoders.map { $0.unfinishedCount(tokens) }.max() ?? 0 }
}

/// Joins everything into one text.
struct FuseDecoder: Decoder {
    static let typeName = "Fuse"

    init(_ source: ComponentSource) throws(Failure) {}

    func decode(_ tokens: inout [[UInt8]]) { tokens = [Array(tokens.joined())] }
}
