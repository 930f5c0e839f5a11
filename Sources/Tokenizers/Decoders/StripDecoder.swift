internal import System

/// Removes up to so many of one character at the start and at the end of each token.
struct StripDecoder: Decoder {
    static let typeName = "Strip"
    private let content: [UInt8]
    private let start: Int
    private let stop: Int

    init(_ source: ComponentSource) throws(Failure) {
        content = try source.character("content")
        start = try source.count("start", default: 0)
        stop = try source.count("stop", default: 0)
    }

    func decode(_ tokens: inout [[UInt8]]) {
        for index in tokens.indices {
            var text = tokens[index][...]
            var removed = 0
            while removed < start, text.starts(with: content) {
                text = text.dropFirst(content.count)
                removed += 1
            }
            removed = 0
            while removed < stop, text.count >= content.count, text.suffix(content.count).elementsEqual(content) {
                text = text.dropLast(content.count)
                removed += 1
            }
            tokens[index] = Array(text)
        }
    }
}
