/// Alternatives that each take a run of characters of one set, with something optional around it.
///
/// At every position the alternatives are tried in order; what none of them takes lies between matches. No alternative
/// looks at a character more than a few times, and none gives back a run that it has taken, so that a scan is linear.
struct SpanRule: ScanRule {
    enum Alternative: Sendable {
        /// `prefix? body{shortest,longest} tail*`. A prefix that leaves no body is given back.
        case run(
            prefix: ScalarSet? = nil, body: ScalarSet, shortest: Int = 1, longest: Int = .max, tail: ScalarSet? = nil)
        /// `prefix body+`, the prefix required.
        case prefixed(prefix: ScalarSet, body: ScalarSet)
        /// `'s|'t|'re|'ve|'m|'ll|'d`
        case contractions
        /// `\s*[\r\n]+`: white space up to the last line end in it.
        case newlines
        /// `\s+(?!\S)|\s+`: white space, without its last character if something follows and something is left.
        case spaces
        /// `\s+$`: white space that reaches the end of the text or a line feed.
        case spacesAtEnd
        /// `(\r?\n)+`
        case lineBreaks
    }

    let alternatives: [Alternative]

    init(_ alternatives: [Alternative]) { self.alternatives = alternatives }

    init(_ alternatives: Alternative...) { self.init(alternatives) }

    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        guard let pointer = bytes.baseAddress else { return }
        let scanner = SpanScanner(bytes: pointer, piece: piece)
        var index = piece.lowerBound
        while index < piece.upperBound {
            var end: Int?
            for alternative in alternatives {
                end = scanner.end(alternative, index)
                if end != nil { break }
            }
            if let end {
                matches.add(index..<end, in: piece)
                index = end
            } else {
                index += UTF8Decoding.byteCount(first: pointer[index])
            }
        }
    }
}

/// The alternatives of a span rule at positions of one piece.
private struct SpanScanner {
    let bytes: UnsafePointer<UInt8>
    let piece: Range<Int>

    private static let space = ScalarSet(classes: CharacterClass.space)

    /// Where an alternative's match ends; nil where it has none. A match is never empty.
    func end(_ alternative: SpanRule.Alternative, _ start: Int) -> Int? {
        switch alternative {
        case .run(let prefix, let body, let shortest, let longest, let tail):
            var found: Int?
            if let prefix, let from = member(prefix, start) { found = run(body, from, shortest, longest) }
            guard let end = found ?? run(body, start, shortest, longest) else { return nil }
            return tail.map { $0.runEnd(bytes, end, piece.upperBound).end } ?? end
        case .prefixed(let prefix, let body): return member(prefix, start).flatMap { run(body, $0, 1, .max) }
        case .contractions:
            return ContractionScan.end(bytes, start, limit: piece.upperBound, caseless: false)
        case .newlines: return spaceRun(start).newlineEnd
        case .spaces:
            let (end, lastStart, _) = spaceRun(start)
            guard end > start else { return nil }
            return end == piece.upperBound || lastStart == start ? end : lastStart
        case .spacesAtEnd: return spacesAtEnd(start)
        case .lineBreaks:
            var index = start
            while index < piece.upperBound {
                if bytes[index] == 0x0A {
                    index += 1
                } else if bytes[index] == 0x0D, index + 1 < piece.upperBound, bytes[index + 1] == 0x0A {
                    index += 2
                } else {
                    break
                }
            }
            return index > start ? index : nil
        }
    }

    /// The end of the character at `start` if it is in a set.
    private func member(_ set: ScalarSet, _ start: Int) -> Int? {
        let (scalar, count) = UTF8Decoding.scalar(bytes, start)
        return set.contains(scalar) ? start + count : nil
    }

    private func run(_ set: ScalarSet, _ start: Int, _ shortest: Int, _ longest: Int) -> Int? {
        let (end, length) = set.runEnd(bytes, start, piece.upperBound, longest: longest)
        return length >= shortest ? end : nil
    }

    /// The run of white space at `start`: its end, the start of its last character, and the end of its last line end.
    private func spaceRun(_ start: Int) -> (end: Int, lastStart: Int, newlineEnd: Int?) {
        var index = start, lastStart = start
        var newlineEnd: Int?
        while let next = index < piece.upperBound ? member(Self.space, index) : nil {
            lastStart = index
            index = next
            if bytes[lastStart] == 0x0A || bytes[lastStart] == 0x0D { newlineEnd = index }
        }
        return (index, lastStart, newlineEnd)
    }

    /// `$` stands at the end and before every line feed. A run that does neither reach the end nor hold a line feed after
    /// its first character matches at no later place of the run either, unless a line feed follows it; the look at the
    /// whole run is therefore done once, at its start.
    private func spacesAtEnd(_ start: Int) -> Int? {
        guard member(Self.space, start) != nil else { return nil }
        if start > piece.lowerBound {
            let before = UTF8Decoding.scalarBefore(bytes, start, from: piece.lowerBound)
            if Self.space.contains(before.value), bytes[start] != 0x0A, bytes[start - 1] != 0x0A { return nil }
        }
        let (end, _, _) = spaceRun(start)
        if end == piece.upperBound { return end }
        // The last line feed of the run ends the match, not included; it must leave something.
        var index = end
        while index > start, bytes[index - 1] != 0x0A { index -= 1 }
        guard index - 1 > start else { return nil }
        return index - 1
    }
}
