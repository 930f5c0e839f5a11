/// A pattern as a hand-written scanner: linear, without a stack, correct on text of any length.
protocol ScanRule: Sendable {
    /// Adds the leftmost matches in a piece of valid UTF-8, one after the other.
    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector)
}

/// The regular expressions that are known, by their exact text.
///
/// An expression over user text is never run: an unknown one is refused when the tokenizer is read.
enum ScanRules {
    /// GPT-2, and ByteLevel with `use_regex`.
    static let gpt2 = WordRule(
        contractions: .asciiFirst, words: .spaced, longestNumber: .max, punctuationTail: .none, splitsNewlines: false)

    /// The rule of an expression; nil if it is none of these.
    static func rule(for expression: String) -> (any ScanRule)? { table[expression] }

    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let tail = #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let cased =
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"#
    private static let casedUpper =
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#

    private static func prefixed(_ longestNumber: Int, marks: Bool = false) -> WordRule {
        WordRule(
            contractions: .caselessFirst, words: marks ? .prefixedWithMarks : .prefixed, longestNumber: longestNumber,
            punctuationTail: .newlines, splitsNewlines: true)
    }

    private static let table: [String: any ScanRule] = [
        // GPT-2, in two spellings.
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: gpt2,
        #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: gpt2,
        // Llama 3.
        contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"# + tail: prefixed(3),
        // Qwen 2, 2.5 and 3.
        contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"# + tail: prefixed(1),
        // Qwen 3.5.
        contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"# + tail:
            prefixed(1, marks: true),
        // Mistral's tekken.
        cased + "|" + casedUpper + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*"# + tail:
            WordRule(
                contractions: .none, words: .cased, longestNumber: 1, punctuationTail: .newlinesAndSlashes,
                splitsNewlines: true),
        // o200k: gpt-oss, phi-4-mini, Llama 4.
        cased + contractions + "?|" + casedUpper + contractions + #"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"# + tail:
            WordRule(
                contractions: .caselessLast, words: .cased, longestNumber: 3, punctuationTail: .newlinesAndSlashes,
                splitsNewlines: true),
        #"\p{N}"#: ClassRule(classes: CharacterClass.number, longest: 1),
        #"\p{N}+"#: ClassRule(classes: CharacterClass.number, longest: .max),
        #"\p{N}{1,3}"#: ClassRule(classes: CharacterClass.number, longest: 3),
    ]
}

/// A string, wherever it stands.
struct StringRule: ScanRule {
    let needle: [UInt8]

    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        guard piece.count >= needle.count else { return }
        var index = piece.lowerBound
        let last = piece.upperBound - needle.count
        while index <= last {
            var offset = 0
            while offset < needle.count, bytes[index + offset] == needle[offset] { offset += 1 }
            if offset == needle.count {
                matches.add(index..<index + needle.count, in: piece)
                index += needle.count
            } else {
                index += 1
            }
        }
    }
}

/// Runs of characters of some classes, up to a number of characters.
struct ClassRule: ScanRule {
    let classes: UInt8
    let longest: Int

    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        guard let pointer = bytes.baseAddress else { return }
        CharacterClass.withTable { table in
            var index = piece.lowerBound
            while index < piece.upperBound {
                let start = index
                var length = 0
                var skipped = 0
                while index < piece.upperBound, length < longest {
                    let (scalar, count) = UTF8Decoding.scalar(pointer, index)
                    guard table.of(scalar) & classes != 0 else {
                        skipped = count
                        break
                    }
                    index += count
                    length += 1
                }
                if length > 0 { matches.add(start..<index, in: piece) } else { index += skipped }
            }
        }
    }
}
