internal import System

/// The visible space back to a space; in the first token it is dropped where one was prepended.
struct MetaspaceDecoder: Decoder {
    static let typeName = "Metaspace"
    private let options: MetaspaceOptions

    init(_ source: ComponentSource) throws(Failure) { options = try MetaspaceOptions(source) }

    func decode(_ tokens: inout [[UInt8]]) {
        for index in tokens.indices {
            var text = AlignedText(tracksOffsets: false)
            text.bytes = tokens[index]
            text.replace(options.replacement, with: index == 0 && options.prepends != .never ? [] : [0x20])
            tokens[index] = text.bytes
        }
    }
}
