/// A space between tokens: what stands for a decoder where a file names none.
struct SpaceDecoder: TokenwiseDecoder {
    var memory: Bool { true }

    func decode(_ token: [UInt8], _ isFirst: inout Bool, _ output: inout [TokenPart]) {
        output.append(.whole(isFirst ? token : [0x20] + token))
        isFirst = false
    }
}
