internal import System

/// Replaces every occurrence of a string in each token.
struct ReplaceDecoder: Decoder {
    static let typeName = "Replace"
    private let needle: [UInt8]
    private let replacement: [UInt8]

    init(_ source: ComponentSource) throws(Failure) {
        replacement = Array(try source.requiredString("content").utf8)
        guard replacement.count <= Normalizers.largestInsertion else {
            throw source.failure(
                .badData, "inserts \(replacement.count) bytes; at most \(Normalizers.largestInsertion) are expected",
                key: "content")
        }
        guard case .string(let string) = try source.pattern() else {
            throw source.failure(
                .unsupported, "a Replace decoder with a regular expression is not supported", key: "pattern",
                remedy: "Only {\"String\": …} is")
        }
        needle = string
    }

    func decode(_ tokens: inout [[UInt8]]) {
        for index in tokens.indices {
            var text = AlignedText(tracksOffsets: false)
            text.bytes = tokens[index]
            text.replace(needle, with: replacement)
            tokens[index] = text.bytes
        }
    }
}
