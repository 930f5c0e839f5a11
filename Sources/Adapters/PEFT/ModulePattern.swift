package import System

/// A regular expression over module paths, in Python's notation (`re`), as adapter configurations hold them.
///
/// Literals, `.`, classes, groups, alternatives, greedy and lazy repetitions, `^`, `$`, `\b` and lookaheads are
/// understood; backreferences, lookbehinds, flags and possessive repetitions are refused by name. Matching backtracks
/// like Python's, but counts its steps and stops at a bound, because patterns come with files that nobody vouches for.
package struct ModulePattern: Sendable {
    /// The pattern as it was written.
    package let text: String

    private let root: PatternNode

    /// The most steps of one match: a thousand times what real patterns take on real paths.
    static let stepLimit = 200_000

    /// - Throws: `badData` for a pattern that Python would refuse too, `unsupported` for one that is understood there
    ///   alone; both name the pattern and the place in it.
    package init(_ text: String) throws(Failure) {
        self.text = text
        var parser = PatternParser(text)
        root = try parser.parse()
    }

    /// Whether the pattern matches the whole of a path (`re.fullmatch`).
    ///
    /// - Throws: `unsupported` where that takes more than `stepLimit` steps.
    package func matches(_ path: String) throws(Failure) -> Bool {
        let matcher = PatternMatcher(scalars: Array(path.unicodeScalars))
        let isMatch = matcher.match(root, at: 0) { $0 == matcher.scalars.count }
        guard matcher.steps <= Self.stepLimit else {
            throw Failure(
                .unsupported,
                "the pattern \"\(text)\" takes more than \(Self.stepLimit) steps on the module \"\(path)\"",
                remedy: "Write it without nested repetitions")
        }
        return isMatch
    }
}

/// A parsed pattern.
indirect enum PatternNode: Sendable {
    case sequence([PatternNode])
    case alternatives([PatternNode])
    case one(ScalarClass)
    case repetition(PatternNode, minimum: Int, maximum: Int, isGreedy: Bool)
    case start
    case end
    case wordBoundary(negated: Bool)
    case lookahead(PatternNode, negated: Bool)
}

/// A set of scalars: any, or ranges and named classes.
struct ScalarClass: Sendable {
    enum Item: Sendable {
        case range(ClosedRange<UInt32>)
        case digit(negated: Bool)
        case word(negated: Bool)
        case space(negated: Bool)
        /// Everything but a line feed.
        case any
    }

    var items: [Item]
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        items.contains { Self.matches($0, scalar) } != isNegated
    }

    private static func matches(_ item: Item, _ scalar: Unicode.Scalar) -> Bool {
        switch item {
        case .range(let range): range.contains(scalar.value)
        case .digit(let negated): (scalar.properties.numericType == .decimal) != negated
        case .word(let negated): isWord(scalar) != negated
        case .space(let negated): scalar.properties.isWhitespace != negated
        case .any: scalar != "\n"
        }
    }

    static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    }
}

/// Matches by backtracking with continuations. After too many steps everything fails to match; `steps` tells.
private final class PatternMatcher {
    let scalars: [Unicode.Scalar]
    private(set) var steps = 0
    /// Continuations nest one deeper for each scalar matched: the bound keeps them within a thread's stack.
    private static let depthLimit = 2_000
    private var depth = 0

    init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    func match(_ node: PatternNode, at index: Int, _ next: (Int) -> Bool) -> Bool {
        steps += 1
        guard steps <= ModulePattern.stepLimit else { return false }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else {
            steps = ModulePattern.stepLimit + 1
            return false
        }
        switch node {
        case .sequence(let nodes): return matchSequence(nodes[...], at: index, next)
        case .alternatives(let nodes): return nodes.contains { match($0, at: index, next) }
        case .one(let set): return index < scalars.count && set.contains(scalars[index]) && next(index + 1)
        case .start: return index == 0 && next(index)
        case .end: return index == scalars.count && next(index)
        case .wordBoundary(let negated):
            let before = index > 0 && ScalarClass.isWord(scalars[index - 1])
            let after = index < scalars.count && ScalarClass.isWord(scalars[index])
            return (before != after) != negated && next(index)
        case .lookahead(let inner, let negated): return match(inner, at: index) { _ in true } != negated && next(index)
        case .repetition(let inner, let minimum, let maximum, let isGreedy):
            return matchRepetition(inner, minimum, maximum, isGreedy, at: index, next)
        }
    }

    private func matchSequence(_ nodes: ArraySlice<PatternNode>, at index: Int, _ next: (Int) -> Bool) -> Bool {
        guard let first = nodes.first else { return next(index) }
        return match(first, at: index) { matchSequence(nodes.dropFirst(), at: $0, next) }
    }

    private func matchRepetition(
        _ inner: PatternNode, _ minimum: Int, _ maximum: Int, _ isGreedy: Bool, at index: Int, _ next: (Int) -> Bool
    ) -> Bool {
        // A turn that matches nothing would repeat for ever; once the minimum is met it adds nothing either.
        func again() -> Bool {
            guard maximum > 0 else { return false }
            let rest = PatternNode.repetition(
                inner, minimum: max(0, minimum - 1), maximum: maximum == .max ? .max : maximum - 1, isGreedy: isGreedy)
            return match(inner, at: index) { end in (end > index || minimum > 0) && match(rest, at: end, next) }
        }
        if minimum > 0 { return again() }
        return isGreedy ? again() || next(index) : next(index) || again()
    }
}
