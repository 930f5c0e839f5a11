internal import System

/// Reads Python's regular expression notation into a `PatternNode`.
struct PatternParser {
    private let text: String
    private let scalars: [Unicode.Scalar]
    private var index = 0
    private var depth = 0

    private static let lengthLimit = 4_096
    private static let depthLimit = 32
    private static let repetitionLimit = 1_000

    init(_ text: String) {
        self.text = text
        scalars = Array(text.unicodeScalars)
    }

    mutating func parse() throws(Failure) -> PatternNode {
        guard scalars.count <= Self.lengthLimit else {
            throw Failure(
                .unsupported, "the pattern has \(scalars.count) characters, more than the \(Self.lengthLimit) accepted")
        }
        let node = try alternatives()
        guard index == scalars.count else { throw malformed("an unmatched ')'") }
        return node
    }

    private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private mutating func take(_ expected: String) -> Bool {
        let wanted = Array(expected.unicodeScalars)
        guard scalars[index...].starts(with: wanted) else { return false }
        index += wanted.count
        return true
    }

    private func malformed(_ what: String) -> Failure {
        Failure(.badData, "the pattern \"\(text)\" has \(what) at character \(index + 1)")
    }

    private func unsupported(_ what: String) -> Failure {
        Failure(
            .unsupported, "the pattern \"\(text)\" has \(what) at character \(index + 1), which is not supported",
            remedy: "Write the pattern without it, or list the module names")
    }

    private mutating func alternatives() throws(Failure) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else { throw unsupported("groups nested deeper than \(Self.depthLimit)") }
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .alternatives(branches)
    }

    private mutating func sequence() throws(Failure) -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = current, scalar != "|", scalar != ")" { nodes.append(try quantified(try atom())) }
        return nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }

    private mutating func quantified(_ node: PatternNode) throws(Failure) -> PatternNode {
        guard let range = try quantifier() else { return node }
        switch node {
        case .start, .end, .wordBoundary, .lookahead: throw malformed("a repetition of something without width")
        default: break
        }
        let isLazy = take("?")
        if current == "+" { throw unsupported("a possessive repetition") }
        if try quantifier() != nil { throw malformed("a repetition of a repetition") }
        return .repetition(node, minimum: range.minimum, maximum: range.maximum, isGreedy: !isLazy)
    }

    /// A quantifier, nil where there is none; a `{` that begins none is a literal, as in Python.
    private mutating func quantifier() throws(Failure) -> (minimum: Int, maximum: Int)? {
        if take("*") { return (0, .max) }
        if take("+") { return (1, .max) }
        if take("?") { return (0, 1) }
        guard current == "{" else { return nil }
        let start = index
        index += 1
        let low = number()
        var high = low
        let hasComma = take(",")
        if hasComma { high = number() }
        guard take("}"), hasComma || low != nil else {
            index = start
            return nil
        }
        let minimum = low ?? 0, maximum = high ?? .max
        guard minimum <= maximum else { throw malformed("a repetition whose minimum exceeds its maximum") }
        guard minimum <= Self.repetitionLimit, maximum <= Self.repetitionLimit || maximum == .max else {
            throw unsupported("more than \(Self.repetitionLimit) repetitions")
        }
        return (minimum, maximum)
    }

    private mutating func number() -> Int? {
        let start = index
        while let scalar = current, scalar >= "0", scalar <= "9", index - start < 9 { index += 1 }
        return Int(String(String.UnicodeScalarView(scalars[start..<index])))
    }

    private mutating func atom() throws(Failure) -> PatternNode {
        guard let scalar = current else { throw malformed("nothing where an element is expected") }
        switch scalar {
        case "(": return try group()
        case "[": return .one(try bracket())
        case "*", "+", "?": throw malformed("nothing to repeat")
        case "\\": return try escape()
        default: index += 1
        }
        switch scalar {
        case ".": return .one(ScalarClass(items: [.any]))
        case "^": return .start
        case "$": return .end
        default: return .one(ScalarClass(items: [.range(scalar.value...scalar.value)]))
        }
    }

    private mutating func group() throws(Failure) -> PatternNode {
        let opening = index
        index += 1
        var lookahead: Bool?
        if take("?:") {
        } else if take("?P<") {
            while let scalar = current, scalar != ">" {
                guard ScalarClass.isWord(scalar) else { throw malformed("a group name that is no name") }
                index += 1
            }
            guard take(">") else { throw malformed("a group name without end") }
        } else if take("?=") {
            lookahead = false
        } else if take("?!") {
            lookahead = true
        } else if take("?<=") || take("?<!") {
            throw unsupported("a lookbehind")
        } else if current == "?" {
            throw unsupported("an extension or flag of a group")
        }
        let inner = try alternatives()
        guard take(")") else {
            index = opening
            throw malformed("a group without end")
        }
        return lookahead.map { .lookahead(inner, negated: $0) } ?? inner
    }

    private mutating func escape() throws(Failure) -> PatternNode {
        let start = index
        index += 1
        guard let scalar = current else { throw malformed("a backslash at its end") }
        if scalar == "b" || scalar == "B" {
            index += 1
            return .wordBoundary(negated: scalar == "B")
        }
        if scalar == "A" || scalar == "Z" {
            index += 1
            return scalar == "A" ? .start : .end
        }
        index = start
        return .one(ScalarClass(items: [try escapedItem()]))
    }

    /// A backslash and what follows, where it stands for scalars.
    private mutating func escapedItem() throws(Failure) -> ScalarClass.Item {
        index += 1
        guard let scalar = current else { throw malformed("a backslash at its end") }
        index += 1
        switch scalar {
        case "d", "D": return .digit(negated: scalar == "D")
        case "w", "W": return .word(negated: scalar == "W")
        case "s", "S": return .space(negated: scalar == "S")
        case "n": return .range(10...10)
        case "t": return .range(9...9)
        case "1"..."9": throw unsupported("a backreference")
        case "0", "a"..."z", "A"..."Z": throw unsupported("the escape \\\(scalar)")
        default: return .range(scalar.value...scalar.value)
        }
    }

    private mutating func bracket() throws(Failure) -> ScalarClass {
        let opening = index
        index += 1
        var set = ScalarClass(items: [])
        set.isNegated = take("^")
        var isFirst = true
        while let scalar = current, scalar != "]" || isFirst {
            isFirst = false
            let low = try bracketItem()
            guard case .range(let lowRange) = low, current == "-", index + 1 < scalars.count, scalars[index + 1] != "]"
            else {
                set.items.append(low)
                continue
            }
            index += 1
            guard case .range(let highRange) = try bracketItem(), lowRange.lowerBound <= highRange.upperBound else {
                throw malformed("a range whose ends are in the wrong order")
            }
            set.items.append(.range(lowRange.lowerBound...highRange.upperBound))
        }
        guard take("]") else {
            index = opening
            throw malformed("a class without end")
        }
        return set
    }

    private mutating func bracketItem() throws(Failure) -> ScalarClass.Item {
        guard let scalar = current else { throw malformed("a class without end") }
        if scalar == "\\" { return try escapedItem() }
        index += 1
        return .range(scalar.value...scalar.value)
    }
}
