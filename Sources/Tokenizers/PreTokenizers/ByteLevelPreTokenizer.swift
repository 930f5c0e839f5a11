internal import System

/// Cuts with GPT-2's pattern, if asked to, and lets the model see bytes.
struct ByteLevelPreTokenizer: PreTokenizer {
    static let typeName = "ByteLevel"
    private let addsPrefixSpace: Bool
    private let usesPattern: Bool

    init(_ source: ComponentSource) throws(Failure) {
        addsPrefixSpace = try source.bool("add_prefix_space", default: true)
        usesPattern = try source.bool("use_regex", default: true)
    }

    var isByteLevel: Bool { true }

    func split(_ text: inout PieceList) {
        if addsPrefixSpace {
            let bytes = text.text.bytes
            text.insert([0x20]) { _, piece in bytes[piece.lowerBound] != 0x20 }
        }
        if usesPattern { text.split(by: ScanRules.gpt2, behavior: .isolated, inverted: false) }
    }
}
