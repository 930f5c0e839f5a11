internal import System

/// Replaces every match of a pattern: a string, or a regular expression that `ScanRules` knows.
struct ReplaceNormalizer: NormalizerComponent {
    static let typeName = "Replace"
    private let replacement: Replacement

    init(_ source: ComponentSource) throws(Failure) { replacement = try Replacement(source) }

    var growth: Double { replacement.growth }

    func normalize(_ text: inout AlignedText) { replacement.apply(to: &text) }
}

/// The keys `pattern` and `content` that the Replace normalizer and decoder share.
struct Replacement: Sendable {
    private enum Target: Sendable {
        case string([UInt8])
        case rule(any ScanRule)
    }

    private let target: Target
    private let content: [UInt8]
    let growth: Double

    init(_ source: ComponentSource) throws(Failure) {
        content = Array(try source.requiredString("content").utf8)
        switch try source.pattern() {
        case .string(let string):
            guard string.count <= Normalizers.largestInsertion else {
                throw source.failure(
                    .badData,
                    "replaces \(string.count) bytes; at most \(Normalizers.largestInsertion) are expected")
            }
            target = .string(string)
            growth = max(1, Double(content.count) / Double(string.count))
        case .regex(let expression):
            guard let rule = ScanRules.rule(for: expression) else {
                throw source.failure(
                    .unsupported, "the Replace pattern \(expression) is not among those this program scans for",
                    key: "pattern.Regex",
                    remedy:
                        "Regular expressions never run over user text here: a pattern needs a scanner of its own, one line in "
                        + "Sources/Tokenizers/PreTokenizers/ScanRule.swift")
            }
            target = .rule(rule)
            growth = max(1, Double(content.count))
        }
        guard content.count <= Normalizers.largestInsertion else {
            throw source.failure(
                .badData, "inserts \(content.count) bytes; at most \(Normalizers.largestInsertion) are expected",
                key: "content")
        }
    }

    func apply(to text: inout AlignedText) {
        switch target {
        case .string(let needle): text.replace(needle, with: content)
        case .rule(let rule):
            guard text.count > 0 else { return }
            let matches = text.bytes.withUnsafeBufferPointer { bytes in
                var matches = MatchCollector(behavior: .removed, inverted: true, capacity: 0)
                matches.begin(0..<bytes.count)
                rule.scan(bytes, 0..<bytes.count, &matches)
                return matches.pieces
            }
            text.replace(matches, with: content)
        }
    }
}
