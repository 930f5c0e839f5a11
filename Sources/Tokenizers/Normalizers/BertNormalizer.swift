internal import System

/// BERT's cleaning: control characters away, every white space a space, spaces around Chinese characters, no accents,
/// lower case; each by a switch.
struct BertNormalizer: NormalizerComponent {
    static let typeName = "BertNormalizer"
    private let cleansText: Bool
    private let separatesChinese: Bool
    private let stripsAccents: Bool
    private let lowercases: Bool

    init(_ source: ComponentSource) throws(Failure) {
        cleansText = try source.bool("clean_text", default: true)
        separatesChinese = try source.bool("handle_chinese_chars", default: true)
        lowercases = try source.bool("lowercase", default: true)
        stripsAccents = try source.bool("strip_accents", default: lowercases)
    }

    func normalize(_ text: inout AlignedText) {
        if cleansText {
            text.rewrite { scalar, output in
                if scalar >= 0x20, scalar < 0x7F { return output.append(UInt8(scalar)) }
                guard scalar != 0, scalar != 0xFFFD, !ScalarTraits.has(scalar, ScalarTraits.control) else { return }
                let isSpace = CharacterClass.of(scalar) == CharacterClass.space
                UTF8Decoding.append(isSpace ? 0x20 : scalar, to: &output)
            }
        }
        if separatesChinese {
            text.rewrite { scalar, output in
                guard Self.isChinese(scalar) else { return UTF8Decoding.append(scalar, to: &output) }
                output.append(0x20)
                UTF8Decoding.append(scalar, to: &output)
                output.append(0x20)
            }
        }
        if stripsAccents {
            text.normalize(to: .decomposed)
            text.remove(ScalarTraits.nonspacing)
        }
        if lowercases { text.lowercase() }
    }

    /// The blocks that BERT takes for Chinese.
    private static func isChinese(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }
}
