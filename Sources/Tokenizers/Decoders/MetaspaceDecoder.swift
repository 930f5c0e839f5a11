internal import System

/// The visible space back to a space; in the first token it is dropped where one was prepended.
struct MetaspaceDecoder: DecoderComponent, TokenwiseDecoder {
    static let typeName = "Metaspace"
    private let options: MetaspaceOptions

    init(_ source: ComponentSource) throws(Failure) { options = try MetaspaceOptions(source) }

    var memory: Bool { true }

    func decode(_ token: [UInt8], _ isFirst: inout Bool, _ output: inout [TokenPart]) {
        var text = AlignedText(token)
        text.replace(options.replacement, with: isFirst && options.prepends != .never ? [] : [0x20])
        output.append(.whole(text.bytes))
        isFirst = false
    }
}
