/// What Python's `str` does, on scalars that keep their origins.
extension TaggedText {
    /// What `str.isspace` accepts, and `strip` and `split` take as white space.
    static func isSpace(_ unit: UInt32) -> Bool {
        switch unit & scalarMask {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    static func + (left: Self, right: Self) -> Self { TaggedText(units: left.units + right.units) }

    subscript(range: Range<Int>) -> TaggedText { TaggedText(units: Array(units[range])) }

    // MARK: Searching

    func hasPrefix(_ other: TaggedText) -> Bool { matches(other, at: 0) }

    func hasSuffix(_ other: TaggedText) -> Bool { matches(other, at: count - other.count) }

    private func matches(_ other: TaggedText, at start: Int) -> Bool {
        guard start >= 0, start + other.count <= count else { return false }
        for index in 0..<other.count where !Self.sameScalar(units[start + index], other.units[index]) { return false }
        return true
    }

    /// The first occurrence at `start` or later, in linear time (Knuth, Morris and Pratt, 1977).
    func firstIndex(of other: TaggedText, from start: Int = 0) -> Int? {
        guard start <= count - other.count else { return nil }
        guard !other.isEmpty else { return start }
        // For each length of a matched beginning, the next shorter beginning that is also its end.
        var borders = [Int](repeating: 0, count: other.count)
        var matched = 0
        for index in other.units.indices.dropFirst() {
            while matched > 0, !Self.sameScalar(other.units[index], other.units[matched]) {
                matched = borders[matched - 1]
            }
            if Self.sameScalar(other.units[index], other.units[matched]) { matched += 1 }
            borders[index] = matched
        }
        matched = 0
        for index in start..<count {
            while matched > 0, !Self.sameScalar(units[index], other.units[matched]) { matched = borders[matched - 1] }
            if Self.sameScalar(units[index], other.units[matched]) { matched += 1 }
            if matched == other.count { return index - matched + 1 }
        }
        return nil
    }

    /// The last occurrence.
    func lastIndex(of other: TaggedText) -> Int? {
        reversed().firstIndex(of: other.reversed()).map { count - $0 - other.count }
    }

    func reversed() -> TaggedText { TaggedText(units: units.reversed()) }

    func count(where isCounted: (UInt32) -> Bool) -> Int { units.reduce(0) { $0 + (isCounted($1) ? 1 : 0) } }

    /// `str.count`: occurrences that do not overlap.
    func occurrences(of other: TaggedText) -> [Int] {
        var found: [Int] = [], position = 0
        while let index = firstIndex(of: other, from: position) {
            found.append(index)
            position = index + max(1, other.count)
        }
        return found
    }

    // MARK: Cutting

    /// `str.strip` and its one-sided forms; nil strips white space.
    func stripped(_ characters: TaggedText? = nil, left: Bool = true, right: Bool = true) -> TaggedText {
        let set = characters.map { Set($0.units.map { $0 & Self.scalarMask }) }
        let drops: (UInt32) -> Bool = { unit in set?.contains(unit & Self.scalarMask) ?? Self.isSpace(unit) }
        let start = left ? units.firstIndex { !drops($0) } ?? count : 0
        let end = right ? units.lastIndex { !drops($0) }.map { $0 + 1 } ?? start : count
        return self[start..<max(start, end)]
    }

    /// `str.split` at a separator.
    func split(at separator: TaggedText, limit: Int = .max) -> [TaggedText] {
        var parts: [TaggedText] = [], start = 0
        while parts.count < limit, let index = firstIndex(of: separator, from: start) {
            parts.append(self[start..<index])
            start = index + separator.count
        }
        return parts + [self[start..<count]]
    }

    /// `str.rsplit` at a separator: the cuts are counted from the end.
    func splitFromEnd(at separator: TaggedText, limit: Int) -> [TaggedText] {
        reversed().split(at: separator.reversed(), limit: limit).reversed().map { $0.reversed() }
    }

    /// `str.split` at runs of white space; what is left after the last cut keeps its inner white space.
    func splitAtSpace(limit: Int = .max) -> [TaggedText] {
        var parts: [TaggedText] = [], index = 0
        while true {
            while index < count, Self.isSpace(units[index]) { index += 1 }
            guard index < count else { return parts }
            guard parts.count < limit else { return parts + [self[index..<count].stripped(left: false)] }
            let start = index
            while index < count, !Self.isSpace(units[index]) { index += 1 }
            parts.append(self[start..<index])
        }
    }

    /// `str.splitlines`.
    func lines(keepingEnds: Bool = false) -> [TaggedText] {
        var lines: [TaggedText] = [], start = 0, index = 0
        while index < count {
            let value = units[index] & Self.scalarMask
            var end = index + 1
            switch value {
            case 0x0D:
                if end < count, units[end] & Self.scalarMask == 0x0A { end += 1 }
            case 0x0A...0x0C, 0x1C...0x1E, 0x85, 0x2028, 0x2029: break
            default:
                index += 1
                continue
            }
            lines.append(self[start..<(keepingEnds ? end : index)])
            start = end
            index = end
        }
        return start < count ? lines + [self[start..<count]] : lines
    }

    // MARK: Changing

    /// `str.replace`; an empty text is found between all scalars.
    func replacing(_ old: TaggedText, by new: TaggedText, limit: Int = .max) -> TaggedText {
        var result: [UInt32] = [], start = 0, replaced = 0
        if old.isEmpty {
            for index in 0...count {
                if replaced < limit {
                    result += new.units
                    replaced += 1
                }
                if index < count { result.append(units[index]) }
            }
            return TaggedText(units: result)
        }
        while replaced < limit, let index = firstIndex(of: old, from: start) {
            result += units[start..<index] + new.units
            start = index + old.count
            replaced += 1
        }
        return TaggedText(units: result + units[start...])
    }

    func joining(_ parts: [TaggedText]) -> TaggedText {
        var result: [UInt32] = []
        for (index, part) in parts.enumerated() {
            if index > 0 { result += units }
            result += part.units
        }
        return TaggedText(units: result)
    }

    private func mapped(_ body: (Unicode.Scalar) -> String) -> TaggedText {
        TaggedText(
            units: units.flatMap { unit in
                body(Self.scalar(unit)).unicodeScalars.map { Self.replacing(unit, by: $0) }
            })
    }

    func lowercased() -> TaggedText { mapped { $0.properties.lowercaseMapping } }
    func uppercased() -> TaggedText { mapped { $0.properties.uppercaseMapping } }

    /// `str.capitalize`: the first scalar in title case, the others in lower case.
    func capitalized() -> TaggedText {
        guard let first = units.first else { return self }
        return TaggedText(units: [first]).mapped { $0.properties.titlecaseMapping } + self[1..<count].lowercased()
    }

    /// `str.title`: the first letter of each run of letters in title case.
    func titlecased() -> TaggedText {
        var result: [UInt32] = [], follows = false
        for unit in units {
            let properties = Self.scalar(unit).properties
            let text = follows ? properties.lowercaseMapping : properties.titlecaseMapping
            result += text.unicodeScalars.map { Self.replacing(unit, by: $0) }
            follows = properties.isCased
        }
        return TaggedText(units: result)
    }
}
