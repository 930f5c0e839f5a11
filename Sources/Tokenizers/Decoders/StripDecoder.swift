internal import System

/// Removes up to so many of one character at the start and at the end of each token.
struct StripDecoder: DecoderComponent {
    static let typeName = "Strip"
    private let content: [UInt8]
    private let start: Int
    private let stop: Int

    init(_ source: ComponentSource) throws(Failure) {
        content = try source.character("content")
        start = try source.count("start", default: 0)
        stop = try source.count("stop", default: 0)
    }

    func begin() -> any DecoderPass { Pass(decoder: self, leftAtStart: start) }

    private struct Pass: DecoderPass {
        let decoder: StripDecoder
        /// How many are removed yet where the rest of the token begins with them.
        var leftAtStart: Int
        /// How many were kept back that the token may end with.
        var kept = 0

        mutating func append(_ part: TokenPart, to output: inout [TokenPart]) {
            let content = decoder.content
            var text = part.bytes[...]
            while leftAtStart > 0, text.starts(with: content) {
                text = text.dropFirst(content.count)
                leftAtStart -= 1
            }
            if !text.isEmpty { leftAtStart = 0 }
            var ending = 0
            var rest = text
            while rest.count >= content.count, rest.suffix(content.count).elementsEqual(content) {
                rest = rest.dropLast(content.count)
                ending += 1
            }
            var bytes: [UInt8] = []
            func appendContent(_ count: Int) { for _ in 0..<count { bytes += content } }
            if !rest.isEmpty {
                appendContent(kept)
                bytes += rest
                kept = 0
            }
            // As many as may be removed stay back, the others are out.
            let known = kept + ending
            kept = min(known, decoder.stop)
            appendContent(known - kept)
            if part.endsToken {
                kept = 0
                leftAtStart = decoder.start
            }
            if part.endsToken || !bytes.isEmpty { output.append(TokenPart(bytes: bytes, endsToken: part.endsToken)) }
        }

        mutating func finish(_ output: inout [TokenPart]) {}
    }
}
