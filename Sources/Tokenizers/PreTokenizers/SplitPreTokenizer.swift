internal import System

/// Cuts at the matches of a pattern: a string, or one of the regular expressions that `ScanRules` knows.
struct SplitPreTokenizer: PreTokenizer {
    static let typeName = "Split"
    private let rule: any ScanRule
    private let behavior: SplitBehavior
    private let isInverted: Bool

    init(_ source: ComponentSource) throws(Failure) {
        switch try source.pattern() {
        case .string(let string): rule = StringRule(needle: string)
        case .regex(let expression):
            guard let known = ScanRules.rule(for: expression) else {
                throw source.failure(
                    .unsupported, "the Split pattern \(expression) is not among those this program scans for",
                    key: "pattern.Regex",
                    remedy:
                        "Regular expressions never run over user text here; the patterns of the gpt-2, llama-3, qwen, "
                        + "tekken and o200k families are known")
            }
            rule = known
        }
        let name = try source.requiredString("behavior")
        guard let behavior = SplitBehavior(rawValue: name) else {
            throw source.failure(
                .badData, "\"\(name)\" is not one of \(SplitBehavior.allCases.map(\.rawValue).joined(separator: ", "))",
                key: "behavior")
        }
        self.behavior = behavior
        isInverted = try source.bool("invert", default: false)
    }

    func split(_ text: inout PieceList) { text.split(by: rule, behavior: behavior, inverted: isInverted) }
}

/// What becomes of the matches of a pattern.
enum SplitBehavior: String, CaseIterable, Sendable {
    case removed = "Removed"
    /// Every match is a piece.
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    /// Neighbouring matches make one piece.
    case contiguous = "Contiguous"
}

extension PieceList {
    /// Cuts every piece at the matches of a rule.
    mutating func split(by rule: any ScanRule, behavior: SplitBehavior, inverted: Bool) {
        var output: [Range<Int>] = []
        output.reserveCapacity(max(pieces.count, text.count / 4))
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in pieces {
                var matches = MatchCollector(behavior: behavior, inverted: inverted)
                rule.scan(bytes, piece, &matches)
                matches.finish(piece, into: &output)
            }
        }
        pieces = output
    }
}

/// Gathers the matches of a rule in a piece and turns them into pieces.
struct MatchCollector {
    private let behavior: SplitBehavior
    private let inverted: Bool
    /// Ranges in order, each a match or what lies between two matches.
    private var parts: [(range: Range<Int>, isMatch: Bool)] = []
    private var position: Int?

    init(behavior: SplitBehavior, inverted: Bool) {
        self.behavior = behavior
        self.inverted = inverted
    }

    /// Adds the next match, which is not empty.
    mutating func add(_ match: Range<Int>, in piece: Range<Int>) {
        let start = position ?? piece.lowerBound
        if start < match.lowerBound { parts.append((start..<match.lowerBound, inverted)) }
        parts.append((match, !inverted))
        position = match.upperBound
    }

    /// Appends the pieces.
    mutating func finish(_ piece: Range<Int>, into output: inout [Range<Int>]) {
        let start = position ?? piece.lowerBound
        if start < piece.upperBound { parts.append((start..<piece.upperBound, inverted)) }
        switch behavior {
        case .isolated: for part in parts { output.append(part.range) }
        case .removed: for part in parts where !part.isMatch { output.append(part.range) }
        case .contiguous: merge(into: &output) { $0 == $1 }
        case .mergedWithPrevious: merge(into: &output) { previous, next in !previous && next }
        case .mergedWithNext: merge(into: &output) { previous, next in previous && !next }
        }
    }

    /// Joins each part to the one before it where `joins` says so, given whether each of the two is a match.
    private func merge(into output: inout [Range<Int>], _ joins: (Bool, Bool) -> Bool) {
        var previous: Bool?
        for part in parts {
            if let isMatch = previous, joins(isMatch, part.isMatch), let last = output.last {
                output[output.count - 1] = last.lowerBound..<part.range.upperBound
            } else {
                output.append(part.range)
            }
            previous = part.isMatch
        }
    }
}
