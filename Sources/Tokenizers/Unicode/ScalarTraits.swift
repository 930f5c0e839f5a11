/// Sets of scalars that single components of the `tokenizers` library test for, one bit each.
///
/// They come out of libraries of different ages, so that two that mean the same may differ in a few scalars.
enum ScalarTraits {
    /// `\w` of added tokens and of the Whitespace pre-tokenizer.
    static let word: UInt16 = 1 << 0
    /// `\w` of the regular expressions in a file.
    static let expressionWord: UInt16 = 1 << 1
    /// `\p{Han}`
    static let han: UInt16 = 1 << 2
    /// `\d`
    static let decimal: UInt16 = 1 << 3
    /// What the Digits pre-tokenizer cuts out.
    static let numeric: UInt16 = 1 << 4
    /// What the Punctuation and BertPreTokenizer pre-tokenizers cut out.
    static let punctuation: UInt16 = 1 << 5
    /// What BertNormalizer removes when it cleans text.
    static let control: UInt16 = 1 << 6
    /// What BertNormalizer removes as accents.
    static let nonspacing: UInt16 = 1 << 7
    /// What the StripAccents normalizer removes.
    static let accent: UInt16 = 1 << 8

    private static let table = RunTable(ScalarTraitTable.runs)

    static func of(_ scalar: UInt32) -> UInt16 { table.of(scalar) }

    static func has(_ scalar: UInt32, _ traits: UInt16) -> Bool { table.of(scalar) & traits != 0 }
}

/// The script of a scalar, for the UnicodeScripts pre-tokenizer: equal numbers for equal scripts (Hiragana, Katakana and
/// Han are one), 0 for what goes with every script.
enum Script {
    private static let table = RunTable(ScriptTable.runs)

    static func of(_ scalar: UInt32) -> UInt16 { table.of(scalar) }
}
