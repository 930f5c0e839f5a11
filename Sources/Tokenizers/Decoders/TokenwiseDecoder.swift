/// A decoder that rewrites whole tokens in order. Behind one that joins all tokens it waits for the end of the text.
protocol TokenwiseDecoder: Decoder {
    /// What it knows of the tokens before.
    associatedtype Memory: Sendable

    /// Of a text that begins.
    var memory: Memory { get }
    /// Appends what a token becomes, or what was kept back becomes with it.
    func decode(_ token: [UInt8], _ memory: inout Memory, _ output: inout [TokenPart])
    /// Appends what was kept back, and forgets it.
    func finish(_ memory: inout Memory, _ output: inout [TokenPart])
}

extension TokenwiseDecoder {
    func finish(_ memory: inout Memory, _ output: inout [TokenPart]) {}

    func begin() -> any DecoderPass { TokenwisePass(decoder: self, memory: memory) }
}

extension TokenwiseDecoder where Memory == Void {
    var memory: Void { () }
}

private struct TokenwisePass<Base: TokenwiseDecoder>: DecoderPass {
    let decoder: Base
    var memory: Base.Memory
    /// The beginning of a token.
    var token: [UInt8] = []

    mutating func append(_ part: TokenPart, to output: inout [TokenPart]) {
        guard part.endsToken else { return token += part.bytes }
        guard !token.isEmpty else { return decoder.decode(part.bytes, &memory, &output) }
        decoder.decode(token + part.bytes, &memory, &output)
        token.removeAll()
    }

    mutating func finish(_ output: inout [TokenPart]) { decoder.finish(&memory, &output) }
}
