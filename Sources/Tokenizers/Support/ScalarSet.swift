/// A set of scalars: classes, traits and ranges, or everything but them.
struct ScalarSet: Sendable {
    private let classes: UInt8
    private let traits: UInt16
    private let ranges: [ClosedRange<UInt32>]
    private let isNegated: Bool
    /// Members below 0x80, by scalar.
    private let ascii: [Bool]

    /// - Parameters:
    ///   - classes: bits of `CharacterClass`.
    ///   - traits: bits of `ScalarTraits`.
    ///   - ranges: members as in a character class of a regular expression, without brackets and escapes: `a-z_`; a hyphen
    ///     of its own stands first.
    ///   - isNegated: whether the set is everything else.
    init(classes: UInt8 = 0, traits: UInt16 = 0, ranges: String = "", isNegated: Bool = false) {
        self.classes = classes
        self.traits = traits
        self.isNegated = isNegated
        let scalars = Array(ranges.unicodeScalars).map(\.value)
        var list: [ClosedRange<UInt32>] = []
        var index = 0
        while index < scalars.count {
            if index + 2 < scalars.count, scalars[index + 1] == 0x2D, scalars[index] <= scalars[index + 2] {
                list.append(scalars[index]...scalars[index + 2])
                index += 3
            } else {
                list.append(scalars[index]...scalars[index])
                index += 1
            }
        }
        list.sort { $0.lowerBound < $1.lowerBound }
        list = list.reduce(into: []) { merged, range in
            guard let last = merged.last, last.upperBound >= range.lowerBound else { return merged.append(range) }
            merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
        }
        self.ranges = list
        ascii = (0..<0x80).map { scalar in
            Self.has(scalar, classes, traits, list) != isNegated
        }
    }

    private static func has(
        _ scalar: UInt32, _ classes: UInt8, _ traits: UInt16, _ ranges: [ClosedRange<UInt32>]
    ) -> Bool {
        if classes != 0, CharacterClass.of(scalar) & classes != 0 { return true }
        if traits != 0, ScalarTraits.has(scalar, traits) { return true }
        guard !ranges.isEmpty else { return false }
        // The last range that begins at or before the scalar.
        var low = 0, high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].lowerBound <= scalar { low = middle + 1 } else { high = middle }
        }
        return low > 0 && ranges[low - 1].upperBound >= scalar
    }

    @inline(__always)
    func contains(_ scalar: UInt32) -> Bool {
        scalar < 0x80 ? ascii[Int(scalar)] : Self.has(scalar, classes, traits, ranges) != isNegated
    }

    /// The end of the run of at most `longest` members that begins at `start`, and its length.
    @inline(__always)
    func runEnd(
        _ bytes: UnsafePointer<UInt8>, _ start: Int, _ limit: Int, longest: Int = .max
    ) -> (end: Int, length: Int) {
        var index = start, length = 0
        while index < limit, length < longest {
            let (scalar, count) = UTF8Decoding.scalar(bytes, index)
            guard contains(scalar) else { break }
            index += count
            length += 1
        }
        return (index, length)
    }
}
