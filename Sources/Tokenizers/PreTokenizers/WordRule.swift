/// The family of patterns that GPT-2 began: contractions, words, numbers, punctuation and white space, in this order.
///
/// Every character belongs to some alternative, so matches cover the text. A value describes a member of the family;
/// the alternatives are tried in the order of the expressions in `ScanRules`.
struct WordRule: ScanRule {
    enum Contractions: Sendable {
        case none
        /// `'s|'t|'re|'ve|'m|'ll|'d` as first alternative.
        case asciiFirst
        /// The same without regard to case.
        case caselessFirst
        /// The same without regard to case, optional at the end of a word.
        case caselessLast
    }

    enum Words: Sendable {
        /// ` ?\p{L}+`; numbers take a space too.
        case spaced
        /// `[^\r\n\p{L}\p{N}]?\p{L}+`
        case prefixed
        /// `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+`, and marks are no punctuation.
        case prefixedWithMarks
        /// Upper case then lower case: `[^\r\n\p{L}\p{N}]?U*L+|[^\r\n\p{L}\p{N}]?U+L*`, where U is `\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}`
        /// and L is `\p{Ll}\p{Lm}\p{Lo}\p{M}`.
        case cased
    }

    /// What punctuation takes along at its end.
    enum PunctuationTail: Sendable {
        case none, newlines, newlinesAndSlashes
    }

    let contractions: Contractions
    let words: Words
    /// Most digits in a piece.
    let longestNumber: Int
    let punctuationTail: PunctuationTail
    /// Whether `\s*[\r\n]+` is an alternative.
    let splitsNewlines: Bool
    /// Whether `\p{Han}+` comes first and words hold none of it.
    var separatesHan = false

    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        guard let pointer = bytes.baseAddress else { return }
        CharacterClass.withTable { table in
            let scanner = WordScanner(rule: self, bytes: pointer, end: piece.upperBound, table: table)
            var index = piece.lowerBound
            while index < piece.upperBound {
                let next = scanner.matchEnd(index)
                matches.add(index..<next, in: piece)
                index = next
            }
        }
    }
}

/// A scan with a word rule over one piece.
private struct WordScanner {
    let rule: WordRule
    let bytes: UnsafePointer<UInt8>
    let end: Int
    let table: CharacterClassView

    private typealias Class = CharacterClass

    /// The class and size of the character at `index`, which is before the end.
    @inline(__always)
    private func character(_ index: Int) -> (bits: UInt8, count: Int) {
        let byte = bytes[index]
        if byte < 0x80 { return (table.table[Int(byte)], 1) }
        let (scalar, count) = UTF8Decoding.scalar(bytes, index)
        return (table.of(scalar), count)
    }

    /// The end of the run of characters of these classes.
    @inline(__always)
    private func runEnd(_ start: Int, _ classes: UInt8) -> Int {
        var index = start
        while index < end {
            let (bits, count) = character(index)
            guard bits & classes != 0 else { break }
            index += count
        }
        return index
    }

    /// The end of the match that begins at `start`.
    func matchEnd(_ start: Int) -> Int {
        let (bits, count) = character(start)
        if rule.separatesHan, isHan(start) { return hanEnd(start) }
        if rule.contractions == .asciiFirst || rule.contractions == .caselessFirst,
            let end = ContractionScan.end(
                bytes, start, limit: end, caseless: rule.contractions == .caselessFirst)
        {
            return end
        }
        if let end = wordEnd(start, bits, count) { return end }
        let isSpace = bytes[start] == 0x20
        if let end = numberEnd(isSpace && rule.words == .spaced ? start + 1 : start) { return end }
        if let end = punctuationEnd(isSpace ? start + 1 : start) { return end }
        return spaceEnd(start)
    }

    // MARK: Words

    private func wordEnd(_ start: Int, _ bits: UInt8, _ count: Int) -> Int? {
        let letters: UInt8
        switch rule.words {
        case .spaced:
            let from = bytes[start] == 0x20 ? start + 1 : start
            let end = runEnd(from, Class.letter)
            return end > from ? end : nil
        case .cased:
            guard let end = casedEnd(start, bits, count) else { return nil }
            guard rule.contractions == .caselessLast, end < self.end else { return end }
            return ContractionScan.end(bytes, end, limit: self.end, caseless: true) ?? end
        case .prefixed: letters = Class.letter
        case .prefixedWithMarks: letters = Class.letter | Class.mark
        }
        let from = mayPrefix(start, bits) ? start + count : start
        let end = runEnd(from, letters)
        if end > from { return end }
        // A mark taken as prefix with no letter after it can be the word itself.
        return from > start && bits & letters != 0 ? from : nil
    }

    /// `[^\r\n\p{L}\p{N}]`
    @inline(__always)
    private func mayPrefix(_ index: Int, _ bits: UInt8) -> Bool {
        bits & (Class.letter | Class.number) == 0 && bytes[index] != 0x0D && bytes[index] != 0x0A
    }

    private func isHan(_ index: Int) -> Bool {
        bytes[index] >= 0xE2 && ScalarTraits.has(UTF8Decoding.scalar(bytes, index).value, ScalarTraits.han)
    }

    private func hanEnd(_ start: Int) -> Int {
        var index = start
        while index < end, isHan(index) { index += UTF8Decoding.byteCount(first: bytes[index]) }
        return index
    }

    /// The class of a character as a part of cased words, and its size.
    @inline(__always)
    private func casedCharacter(_ index: Int) -> (bits: UInt8, count: Int) {
        let (bits, count) = character(index)
        return rule.separatesHan && isHan(index) ? (0, count) : (bits, count)
    }

    /// The end of the run of characters of these classes in a cased word.
    @inline(__always)
    private func casedRunEnd(_ start: Int, _ classes: UInt8) -> Int {
        var index = start
        while index < end {
            let (bits, count) = casedCharacter(index)
            guard bits & classes != 0 else { break }
            index += count
        }
        return index
    }

    private func casedEnd(_ start: Int, _ bits: UInt8, _ count: Int) -> Int? {
        let canPrefix = mayPrefix(start, bits)
        if canPrefix, let end = upperLowerEnd(start + count) { return end }
        if let end = upperLowerEnd(start) { return end }
        if canPrefix, let end = upperEnd(start + count) { return end }
        return upperEnd(start)
    }

    /// `U*L+`: the longest run of U, and then L; where no L follows, the run is given back up to its last character
    /// that is also an L.
    private func upperLowerEnd(_ start: Int) -> Int? {
        let both = Class.otherLetter | Class.mark
        var index = start
        var lastBoth: Int?
        while index < end {
            let (bits, count) = casedCharacter(index)
            guard bits & (Class.upper | both) != 0 else { break }
            index += count
            if bits & both != 0 { lastBoth = index }
        }
        let lower = casedRunEnd(index, Class.lower | both)
        return lower > index ? lower : lastBoth
    }

    /// `U+L*`
    private func upperEnd(_ start: Int) -> Int? {
        let both = Class.otherLetter | Class.mark
        let end = casedRunEnd(start, Class.upper | both)
        return end > start ? casedRunEnd(end, Class.lower | both) : nil
    }

    // MARK: The rest

    private func numberEnd(_ start: Int) -> Int? {
        var index = start
        var length = 0
        while index < end, length < rule.longestNumber {
            let (bits, count) = character(index)
            guard bits & Class.number != 0 else { break }
            index += count
            length += 1
        }
        return length > 0 ? index : nil
    }

    /// ` ?[^\s\p{L}\p{N}]+` after its optional space, with its tail.
    private func punctuationEnd(_ start: Int) -> Int? {
        let excluded =
            Class.space | Class.letter | Class.number | (rule.words == .prefixedWithMarks ? Class.mark : 0)
        var index = start
        while index < end {
            let (bits, count) = character(index)
            guard bits & excluded == 0 else { break }
            index += count
        }
        guard index > start else { return nil }
        guard rule.punctuationTail != .none else { return index }
        while index < end {
            let byte = bytes[index]
            guard
                byte == 0x0D || byte == 0x0A
                    || rule.punctuationTail == .newlinesAndSlashes && byte == UInt8(ascii: "/")
            else { break }
            index += 1
        }
        return index
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end in the run; else the run, without its last character if
    /// something follows; never nothing.
    private func spaceEnd(_ start: Int) -> Int {
        var index = start
        var lastStart = start
        var newlineEnd: Int?
        while index < end {
            let (bits, count) = character(index)
            guard bits & Class.space != 0 else { break }
            lastStart = index
            index += count
            if rule.splitsNewlines, bytes[lastStart] == 0x0A || bytes[lastStart] == 0x0D { newlineEnd = index }
        }
        if let newlineEnd { return newlineEnd }
        // A mark is none of the classes above where it is no punctuation; it stands alone.
        guard index > start else { return start + character(start).count }
        return index == end || lastStart == start ? index : lastStart
    }
}
