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
                        "Regular expressions never run over user text here: a pattern needs a scanner of its own, one line in "
                        + "Sources/Tokenizers/PreTokenizers/ScanRule.swift")
            }
            rule = known
        }
        behavior = try SplitBehavior(source, default: nil)
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

    /// Reads the key `behavior`, which must be there unless there is a default.
    init(_ source: ComponentSource, default absent: SplitBehavior?) throws(Failure) {
        if let absent, try source.string("behavior") == nil {
            self = absent
            return
        }
        let name = try source.requiredString("behavior")
        guard let behavior = SplitBehavior(rawValue: name) else {
            throw source.failure(
                .badData, "\"\(name)\" is not one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))",
                key: "behavior")
        }
        self = behavior
    }
}

extension PieceList {
    /// Cuts every piece at the matches of a rule.
    mutating func split(by rule: any ScanRule, behavior: SplitBehavior, inverted: Bool) {
        var matches = MatchCollector(
            behavior: behavior, inverted: inverted, capacity: max(pieces.count, text.count / 4))
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in pieces {
                matches.begin(piece)
                rule.scan(bytes, piece, &matches)
                matches.finish(piece)
            }
        }
        pieces = matches.pieces
    }
}

/// Turns the matches of a rule in one piece after the other into pieces.
struct MatchCollector {
    private let behavior: SplitBehavior
    private let inverted: Bool
    private(set) var pieces: [Range<Int>] = []
    /// Where the next part begins.
    private var position = 0
    /// Whether the part before it, in the same piece, was a match.
    private var previous: Bool?

    init(behavior: SplitBehavior, inverted: Bool, capacity: Int) {
        self.behavior = behavior
        self.inverted = inverted
        pieces.reserveCapacity(capacity)
    }

    mutating func begin(_ piece: Range<Int>) {
        position = piece.lowerBound
        previous = nil
    }

    /// Adds the next match, which is not empty.
    @inline(__always)
    mutating func add(_ match: Range<Int>, in piece: Range<Int>) {
        if position < match.lowerBound { append(position..<match.lowerBound, isMatch: inverted) }
        append(match, isMatch: !inverted)
        position = match.upperBound
    }

    mutating func finish(_ piece: Range<Int>) {
        if position < piece.upperBound { append(position..<piece.upperBound, isMatch: inverted) }
    }

    /// Appends a part, a match or what lies between two, or joins it to the one before it.
    @inline(__always)
    private mutating func append(_ part: Range<Int>, isMatch: Bool) {
        if behavior == .isolated { return pieces.append(part) }
        let joins =
            switch behavior {
            case .isolated, .removed: false
            case .contiguous: previous == isMatch
            case .mergedWithPrevious: previous == false && isMatch
            case .mergedWithNext: previous == true && !isMatch
            }
        previous = isMatch
        if joins, let last = pieces.last {
            pieces[pieces.count - 1] = last.lowerBound..<part.upperBound
        } else if behavior != .removed || !isMatch {
            pieces.append(part)
        }
    }
}
