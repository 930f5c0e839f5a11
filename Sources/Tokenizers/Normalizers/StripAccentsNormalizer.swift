internal import System

/// Removes combining marks; composed characters stay as they are.
struct StripAccentsNormalizer: NormalizerComponent {
    static let typeName = "StripAccents"

    init(_ source: ComponentSource) throws(Failure) {}

    func normalize(_ text: inout AlignedText) { text.remove(ScalarTraits.accent) }
}

extension AlignedText {
    /// Removes every character with one of these traits; none below U+0300 may have any.
    mutating func remove(_ traits: UInt16) {
        guard bytes.contains(where: { $0 >= 0xCC }) else { return }
        rewrite { scalar, output in
            if !ScalarTraits.has(scalar, traits) { UTF8Decoding.append(scalar, to: &output) }
        }
    }
}
