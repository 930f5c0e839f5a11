internal import System

/// A step that turns the texts of tokens back into text: what comes out, joined, is the text.
protocol Decoder: Sendable {
    /// A pass over the tokens of one text.
    func begin() -> any DecoderPass
}

/// A decoder at work on one text: tokens go in one after the other, and come out as soon as nothing that may follow can
/// change them. What comes out does not depend on how much goes in at once, so that a text that is decoded as its tokens
/// come equals one that is decoded as a whole.
protocol DecoderPass: Sendable {
    mutating func append(_ part: TokenPart, to output: inout [TokenPart])
    /// Gives out what was kept back, once, when every token has come.
    mutating func finish(_ output: inout [TokenPart])
}

/// A part of the text of a token, cut between characters: valid UTF-8.
struct TokenPart: Sendable {
    var bytes: [UInt8]
    var endsToken: Bool

    static func whole(_ token: [UInt8]) -> TokenPart { TokenPart(bytes: token, endsToken: true) }
}

/// A decoder of tokenizer.json. A new one is one file and one line in `Decoders.all`.
protocol DecoderComponent: Decoder {
    /// The `type` in tokenizer.json.
    static var typeName: String { get }
    init(_ source: ComponentSource) throws(Failure)
}

/// The registry of decoders.
enum Decoders {
    static let all: [any DecoderComponent.Type] = [
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
struct SequenceDecoder: DecoderComponent {
    static let typeName = "Sequence"
    private let decoders: [any Decoder]

    init(_ source: ComponentSource) throws(Failure) {
        var decoders: [any Decoder] = []
        for component in try source.components("decoders") { decoders.append(try Decoders.make(component)) }
        self.decoders = decoders
    }

    func begin() -> any DecoderPass { Pass(passes: decoders.map { $0.begin() }) }

    private struct Pass: DecoderPass {
        var passes: [any DecoderPass]

        mutating func append(_ part: TokenPart, to output: inout [TokenPart]) {
            output += advance([part], from: 0)
        }

        mutating func finish(_ output: inout [TokenPart]) {
            for index in passes.indices {
                var rest: [TokenPart] = []
                passes[index].finish(&rest)
                output += advance(rest, from: index + 1)
            }
        }

        /// What parts become that go into one of the passes.
        private mutating func advance(_ parts: [TokenPart], from first: Int) -> [TokenPart] {
            var parts = parts
            for index in first..<passes.count where !parts.isEmpty {
                var next: [TokenPart] = []
                for part in parts { passes[index].append(part, to: &next) }
                parts = next
            }
            return parts
        }
    }
}

/// Joins everything into one token.
struct FuseDecoder: DecoderComponent {
    static let typeName = "Fuse"

    init(_ source: ComponentSource) throws(Failure) {}

    func begin() -> any DecoderPass { Pass() }

    private struct Pass: DecoderPass {
        mutating func append(_ part: TokenPart, to output: inout [TokenPart]) {
            output.append(TokenPart(bytes: part.bytes, endsToken: false))
        }

        mutating func finish(_ output: inout [TokenPart]) { output.append(.whole([])) }
    }
}
