internal import System

/// Replaces every occurrence of a string.
struct ReplaceNormalizer: Normalizer {
    static let typeName = "Replace"
    private let needle: [UInt8]
    private let replacement: [UInt8]

    init(_ source: ComponentSource) throws(Failure) {
        let content = Array(try source.requiredString("content").utf8)
        switch try source.pattern() {
        case .string(let string): needle = string
        case .regex(let expression):
            throw source.failure(
                .unsupported, "a Replace normalizer with the regular expression \(expression) is not supported",
                key: "pattern", remedy: "Only {\"String\": …} is")
        }
        guard content.count <= Normalizers.largestInsertion, needle.count <= Normalizers.largestInsertion else {
            throw source.failure(
                .badData,
                "replaces \(needle.count) by \(content.count) bytes; at most \(Normalizers.largestInsertion) are expected"
            )
        }
        replacement = content
    }

    var growth: Double { max(1, Double(replacement.count) / Double(needle.count)) }

    func normalize(_ text: inout AlignedText) { text.replace(needle, with: replacement) }
}
