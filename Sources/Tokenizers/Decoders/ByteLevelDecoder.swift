internal import System

/// Characters of the byte alphabet back to bytes, over all tokens at once; bytes that are no UTF-8 become U+FFFD. A
/// token with a character outside the alphabet stands for its own UTF-8.
struct ByteLevelDecoder: Decoder {
    static let typeName = "ByteLevel"

    init(_ source: ComponentSource) throws(Failure) {}

    private func bytes(_ token: [UInt8]) -> [UInt8] { ByteAlphabet.bytes(of: token[...]) ?? token }

    func decode(_ tokens: inout [[UInt8]]) {
        var joined: [UInt8] = []
        for token in tokens { joined.append(contentsOf: bytes(token)) }
        tokens = [Array(String(decoding: joined, as: UTF8.self).utf8)]
    }

    func unfinishedCount(_ tokens: [[UInt8]]) -> Int {
        // The beginning of a character is at most three bytes, so at most three tokens that are not empty.
        var tail: [UInt8] = []
        var index = tokens.count
        while index > 0, tail.count < 3 {
            index -= 1
            tail = bytes(tokens[index]) + tail
        }
        var unfinished = UTF8Decoding.unfinishedCount(tail)
        var count = 0
        while unfinished > 0, count < tokens.count {
            unfinished -= bytes(tokens[tokens.count - 1 - count]).count
            count += 1
        }
        return count
    }
}
