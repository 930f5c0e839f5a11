internal import System

/// Lower case of every character by itself, without regard to its neighbours.
struct LowercaseNormalizer: NormalizerComponent {
    static let typeName = "Lowercase"

    init(_ source: ComponentSource) throws(Failure) {}

    func normalize(_ text: inout AlignedText) { text.lowercase() }
}

extension AlignedText {
    /// Lower case of every character.
    mutating func lowercase() {
        rewrite { scalar, output in
            if scalar < 0x80 {
                output.append(scalar >= 0x41 && scalar <= 0x5A ? UInt8(scalar) + 0x20 : UInt8(scalar))
            } else if scalar == Lowercase.dottedI {
                output.append(contentsOf: Lowercase.dottedILower)
            } else {
                UTF8Decoding.append(Lowercase.of(scalar), to: &output)
            }
        }
    }
}
