/// A pattern as a hand-written scanner: linear, without a stack, correct on text of any length.
protocol ScanRule: Sendable {
    /// Adds the leftmost matches in a piece of valid UTF-8, one after the other.
    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector)
}

/// The regular expressions that are known, by their exact text. A new one is a line in `known`.
///
/// An expression over user text is never run: an unknown one is refused when the tokenizer is read.
enum ScanRules {
    /// GPT-2, and ByteLevel with `use_regex`.
    static let gpt2 = WordRule(
        contractions: .asciiFirst, words: .spaced, longestNumber: .max, punctuationTail: .none, splitsNewlines: false)

    /// The rule of an expression; nil if it is not known. Line ends and tabs count as their escapes, and an expression of
    /// nothing but alternative strings needs no entry.
    static func rule(for expression: String) -> (any ScanRule)? {
        var key = ""
        for scalar in expression.unicodeScalars {
            switch scalar {
            case "\r": key += #"\r"#
            case "\n": key += #"\n"#
            case "\t": key += #"\t"#
            default: key.unicodeScalars.append(scalar)
            }
        }
        return known[key] ?? LiteralsRule(expression: key)
    }

    // MARK: Parts of expressions

    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let spaces = #"|\s+(?!\S)|\s+"#
    private static let tail = #"|\s*[\r\n]+"# + spaces
    private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    private static let lowerWithoutHan = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
    private static let upperWithoutHan = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#

    private static func cased(_ upper: String, _ lower: String, _ end: String = "") -> String {
        #"[^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+\#(end)|[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*\#(end)"#
    }

    private static func prefixed(_ numbers: String, _ punctuation: String = #" ?[^\s\p{L}\p{N}]+[\r\n]*"#) -> String {
        contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + numbers + "|" + punctuation + tail
    }

    private static let asciiPunctuation = ##"!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~"##
    private static let deepSeekWords =
        #"[\#(asciiPunctuation)][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"#

    /// Letters with case, as listed by DeepSeek Coder V2.
    private static let deepSeekCasedLetters =
        "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u{1F7D}ᾀ-ᾴᾶ-ᾼ"
        + "\u{1FBE}ῂ-ῄῆ-ῌῐ-\u{1FD3}ῖ-\u{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ\u{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
    private static let deepSeekPunctuation = "!-/:-~！-／：-～‘-‟\u{3000}-。"
    private static let chineseAndKana = "一-龥\u{3040}-ゟ゠-ヿ"
    private static let chineseAndMore = "一-龥ࠀ-一가-\u{D7FF}"
    private static let bloomPunctuation = ".,!?…。，、।۔،"

    // MARK: Parts of rules

    private static let letters = ScalarSet(classes: CharacterClass.letter)
    private static let lettersAndMarks = ScalarSet(classes: CharacterClass.letter | CharacterClass.mark)
    private static let numbers = ScalarSet(classes: CharacterClass.number)
    private static let punctuation = ScalarSet(classes: CharacterClass.punctuation)
    private static let punctuationAndSymbols = ScalarSet(classes: CharacterClass.punctuation | CharacterClass.symbol)
    private static let whiteSpace = ScalarSet(classes: CharacterClass.space)
    private static let space = ScalarSet(ranges: " ")
    private static let lineEnds = ScalarSet(ranges: "\r\n")

    private static func word(_ longestNumber: Int, _ tail: WordRule.PunctuationTail = .newlines) -> WordRule {
        WordRule(
            contractions: .caselessFirst, words: .prefixed, longestNumber: longestNumber, punctuationTail: tail,
            splitsNewlines: true)
    }

    private static let deepSeekStart: [SpanRule.Alternative] = [
        .prefixed(prefix: ScalarSet(ranges: "!-/:-@[-`{-~"), body: ScalarSet(ranges: "A-Za-z")),
        .run(
            prefix: ScalarSet(
                classes: CharacterClass.letter | CharacterClass.punctuation | CharacterClass.symbol, ranges: "\r\n",
                isNegated: true), body: lettersAndMarks),
    ]

    // MARK: The expressions

    private static let known: [String: any ScanRule] = [
        // GPT-2, in two spellings.
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"# + spaces: gpt2,
        #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"# + spaces: gpt2,
        // Llama 3, cl100k, OLMo 2, Granite 4, SmolLM3, GLM 4, Falcon 3.
        prefixed(#"\p{N}{1,3}"#): word(3),
        // Qwen 2, 2.5 and 3.
        prefixed(#"\p{N}"#): word(1),
        // MiniCPM 5, behind a rule for numbers.
        prefixed(#"\p{N}+"#): word(.max),
        // Seed.
        prefixed(#"\p{N}{1}"#, #" ?[^\s\p{L}\p{N}\r\n]+"#): word(1, .none),
        // tiktoken's spelling of cl100k, and LLaDA's variety.
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"# + spaces:
            word(3),
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"# + spaces: word(
            1),
        // Qwen 3.5.
        contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"# + tail: WordRule(
            contractions: .caselessFirst, words: .prefixedWithMarks, longestNumber: 1, punctuationTail: .newlines,
            splitsNewlines: true),
        // Mistral's tekken.
        cased(upper, lower) + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*"# + tail: WordRule(
            contractions: .none, words: .cased, longestNumber: 1, punctuationTail: .newlinesAndSlashes,
            splitsNewlines: true),
        // o200k: gpt-oss, phi-4-mini, Llama 4, MiniMax.
        cased(upper, lower, contractions + "?") + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"# + tail: WordRule(
            contractions: .caselessLast, words: .cased, longestNumber: 3, punctuationTail: .newlinesAndSlashes,
            splitsNewlines: true),
        // Kimi.
        #"[\p{Han}]+|"# + cased(upperWithoutHan, lowerWithoutHan, contractions + "?")
            + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"# + tail: WordRule(
                contractions: .caselessLast, words: .cased, longestNumber: 3, punctuationTail: .newlines,
                splitsNewlines: true, separatesHan: true),
        // CLIP's words, without what stands between them.
        #"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#: SpanRule(
            .contractions, .run(body: letters), .run(body: numbers, longest: 1),
            .run(
                body: ScalarSet(
                    classes: CharacterClass.space | CharacterClass.letter | CharacterClass.number, isNegated: true))),
        // DeepSeek V3 and R1, and Spark.
        deepSeekWords + #"[\r\n]*"# + tail: SpanRule(
            deepSeekStart + [
                .run(prefix: space, body: punctuationAndSymbols, tail: lineEnds), .newlines, .spaces,
            ]),
        deepSeekWords + #"|[\r\n]"# + spaces: SpanRule(
            deepSeekStart + [
                .run(prefix: space, body: punctuationAndSymbols), .run(body: lineEnds, longest: 1), .spaces,
            ]),
        "[\(chineseAndKana)]+": SpanRule(.run(body: ScalarSet(ranges: chineseAndKana))),
        // DeepSeek Coder, first and second version.
        #"[\r\n]"#: SpanRule(.run(body: lineEnds, longest: 1)),
        #"\s?\p{L}+"#: SpanRule(.run(prefix: whiteSpace, body: letters)),
        #"\s?\p{P}+"#: SpanRule(.run(prefix: whiteSpace, body: punctuation)),
        #"\s?[\#(deepSeekCasedLetters)]+"#: SpanRule(
            .run(prefix: whiteSpace, body: ScalarSet(ranges: deepSeekCasedLetters))),
        #"\s?[\#(deepSeekPunctuation)]+"#: SpanRule(
            .run(prefix: whiteSpace, body: ScalarSet(ranges: deepSeekPunctuation))),
        #"\s+$"#: SpanRule(.spacesAtEnd),
        "[\(chineseAndMore)]+": SpanRule(.run(body: ScalarSet(ranges: chineseAndMore))),
        // BLOOM.
        #" ?[^(\s|[\#(bloomPunctuation)])]+"#: SpanRule(
            .run(
                prefix: space,
                body: ScalarSet(classes: CharacterClass.space, ranges: "(|)" + bloomPunctuation, isNegated: true))),
        // Laguna.
        #"(?:\r?\n)+(?!\r?\n)"#: SpanRule(.lineBreaks),
        // Command R7B and Aya: groups of three digits from the right.
        #"\d{1,3}(?=(?:\d{3})*\b)"#: DigitGroupRule(),
        // Numbers.
        #"\p{N}"#: SpanRule(.run(body: numbers, longest: 1)),
        #"\p{N}+"#: SpanRule(.run(body: numbers)),
        #"\p{N}{1,3}"#: SpanRule(.run(body: numbers, longest: 3)),
        #"\d"#: SpanRule(.run(body: ScalarSet(traits: ScalarTraits.decimal), longest: 1)),
        #"\d+"#: SpanRule(.run(body: ScalarSet(traits: ScalarTraits.decimal))),
        #"\d{1,3}"#: SpanRule(.run(body: ScalarSet(traits: ScalarTraits.decimal), longest: 3)),
        "[0-9]": SpanRule(.run(body: ScalarSet(ranges: "0-9"), longest: 1)),
        "[0-9]+": SpanRule(.run(body: ScalarSet(ranges: "0-9"))),
        // Falcon.
        "[0-9][0-9][0-9]": SpanRule(.run(body: ScalarSet(ranges: "0-9"), shortest: 3, longest: 3)),
        // Single characters, and white space in normalizers.
        ".": SpanRule(.run(body: ScalarSet(ranges: "\n", isNegated: true), longest: 1)),
        #"\s"#: SpanRule(.run(body: whiteSpace, longest: 1)),
        #"\s+"#: SpanRule(.run(body: whiteSpace)),
        " +": SpanRule(.run(body: space)),
        " {2,}": SpanRule(.run(body: space, shortest: 2)),
        #"\s{2,}|[\n\r\t]"#: SpanRule(
            .run(body: whiteSpace, shortest: 2), .run(body: ScalarSet(ranges: "\n\r\t"), longest: 1)),
        #"[\n\r\t]"#: SpanRule(.run(body: ScalarSet(ranges: "\n\r\t"), longest: 1)),
        // What transformers writes for SentencePiece's own normalization.
        #"\A +| +\z"#: EdgeRule(character: 0x20, longestAtStart: .max, isAtEnd: true),
        #"\A▁"#: EdgeRule(character: 0x2581, longestAtStart: 1, isAtEnd: false),
    ]
}
