internal import System

/// Characters of the byte alphabet back to bytes, over all tokens at once; bytes that are no UTF-8 become U+FFFD. A
/// token with a character outside the alphabet stands for its own UTF-8.
struct ByteLevelDecoder: DecoderComponent, TokenwiseDecoder {
    static let typeName = "ByteLevel"

    init(_ source: ComponentSource) throws(Failure) {}

    /// Bytes that begin a character.
    var memory: [UInt8] { [] }

    func decode(_ token: [UInt8], _ unfinished: inout [UInt8], _ output: inout [TokenPart]) {
        unfinished += ByteAlphabet.bytes(of: token[...]) ?? token
        // What follows the first byte of a character never changes how the bytes before it are read.
        let count = unfinished.count - UTF8Decoding.unfinishedCount(unfinished)
        guard count > 0 else { return }
        output.append(TokenPart(bytes: Self.sound(unfinished.prefix(count)), endsToken: false))
        unfinished.removeFirst(count)
    }

    func finish(_ unfinished: inout [UInt8], _ output: inout [TokenPart]) {
        output.append(.whole(Self.sound(unfinished[...])))
        unfinished.removeAll()
    }

    private static func sound(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        Array(String(decoding: bytes, as: UTF8.self).utf8)
    }
}
