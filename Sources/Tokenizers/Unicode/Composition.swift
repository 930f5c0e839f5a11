/// Unicode normalization (Unicode Standard Annex 15) over the tables of the `tokenizers` library.
struct Composition: Sendable {
    static let shared = Composition()

    private var decompositions: [UInt32: (first: UInt32, second: UInt32)] = [:]
    private var composites: [UInt64: UInt32] = [:]
    private var combiningClasses: [UInt32: UInt8] = [:]
    /// Scalars that may compose with one before them although their class is 0.
    private var joiningStarters: Set<UInt32> = []
    /// Whole compatibility decompositions, where they differ from the canonical ones.
    private var compatibility: [UInt32: [UInt32]] = [:]
    /// Whether a scalar below 0x30000 decomposes, reorders or composes at all; none above does.
    private var isInvolved = [Bool](repeating: false, count: 0x30000)

    private init() {
        var previous: UInt32 = 0
        for word in TableText.words(CompositionTable.decompositions) {
            let fields = TableText.fields(word)
            let isExcluded = fields[0].last == UInt8(ascii: "!")
            previous += TableText.number(isExcluded ? fields[0].dropLast() : fields[0])
            let parts = TableText.scalars(fields[1])
            decompositions[previous] = (parts[0], parts.count > 1 ? parts[1] : 0)
            if parts.count > 1, !isExcluded { composites[UInt64(parts[0]) << 32 | UInt64(parts[1])] = previous }
        }
        var end: UInt32 = 0
        for word in TableText.words(CompositionTable.combiningClasses) {
            let fields = TableText.fields(word).map(TableText.number)
            for scalar in end + fields[0]..<end + fields[0] + fields[1] {
                combiningClasses[scalar] = UInt8(truncatingIfNeeded: fields[2])
            }
            end += fields[0] + fields[1]
        }
        for key in composites.keys {
            let second = UInt32(truncatingIfNeeded: key)
            if combiningClasses[second] == nil { joiningStarters.insert(second) }
        }
        previous = 0
        for word in TableText.words(CompatibilityTable.decompositions) {
            let fields = TableText.fields(word)
            previous += TableText.number(fields[0])
            compatibility[previous] = TableText.scalars(fields[1])
        }
        for scalar in decompositions.keys { isInvolved[Int(scalar)] = true }
        for scalar in compatibility.keys { isInvolved[Int(scalar)] = true }
        for scalar in combiningClasses.keys { isInvolved[Int(scalar)] = true }
        for scalar in joiningStarters { isInvolved[Int(scalar)] = true }
        for scalar in Self.vowelBase..<Self.tailBase + 28 { isInvolved[Int(scalar)] = true }
        for scalar in Self.syllableBase..<Self.syllableBase + Self.syllableCount { isInvolved[Int(scalar)] = true }
    }

    // Hangul syllables, Unicode Standard 3.12.
    private static let syllableBase: UInt32 = 0xAC00, leadBase: UInt32 = 0x1100, vowelBase: UInt32 = 0x1161
    private static let tailBase: UInt32 = 0x11A7, syllableCount: UInt32 = 11172

    /// Whether a normalization may be cut before this scalar: whatever form it takes, it neither reorders nor composes
    /// with what stands before.
    func isBoundary(_ scalar: UInt32) -> Bool {
        if scalar < 0x300 || scalar >= 0x30000 || !isInvolved[Int(scalar)] { return true }
        if scalar >= Self.vowelBase, scalar < Self.tailBase + 28 { return false }
        if joiningStarters.contains(scalar) || combiningClasses[scalar] != nil { return false }
        if let parts = compatibility[scalar] { return isBoundary(parts[0]) }
        guard let parts = decompositions[scalar] else { return true }
        return isBoundary(parts.first)
    }

    /// Whether a run of scalars between two boundaries can differ from its form.
    func mayChange(_ scalars: [UInt32], to form: NormalForm) -> Bool {
        if form.composes, scalars.count == 1, scalars[0] &- Self.syllableBase < Self.syllableCount { return false }
        return scalars.contains { $0 >= form.firstScalarThatChanges && $0 < 0x30000 && isInvolved[Int($0)] }
    }

    /// The form of a run of scalars that begins at a boundary.
    func normalize(_ scalars: [UInt32], to form: NormalForm) -> [UInt32] {
        var output: [UInt32] = []
        for scalar in scalars { decompose(scalar, form.isCompatible, into: &output) }
        reorder(&output)
        return form.composes ? recompose(output) : output
    }

    private func decompose(_ scalar: UInt32, _ isCompatible: Bool, into output: inout [UInt32]) {
        if scalar >= Self.syllableBase, scalar < Self.syllableBase + Self.syllableCount {
            let index = scalar - Self.syllableBase
            output.append(Self.leadBase + index / 588)
            output.append(Self.vowelBase + index % 588 / 28)
            if index % 28 != 0 { output.append(Self.tailBase + index % 28) }
        } else if isCompatible, let parts = compatibility[scalar] {
            output.append(contentsOf: parts)
        } else if let parts = decompositions[scalar] {
            decompose(parts.first, isCompatible, into: &output)
            if parts.second != 0 { decompose(parts.second, isCompatible, into: &output) }
        } else {
            output.append(scalar)
        }
    }

    /// Sorts every run of non-zero classes by class, stably. Long runs go through a sort, so that no text is quadratic.
    private func reorder(_ scalars: inout [UInt32]) {
        var start = 0
        while start < scalars.count {
            guard combiningClasses[scalars[start]] != nil else {
                start += 1
                continue
            }
            var end = start
            while end < scalars.count, combiningClasses[scalars[end]] != nil { end += 1 }
            if end - start > 1 {
                let run = scalars[start..<end].enumerated().map {
                    (UInt64(combiningClasses[$0.element] ?? 0) << 32 | UInt64($0.offset), $0.element)
                }
                for (index, entry) in run.sorted(by: { $0.0 < $1.0 }).enumerated() { scalars[start + index] = entry.1 }
            }
            start = end
        }
    }

    private func recompose(_ scalars: [UInt32]) -> [UInt32] {
        var output: [UInt32] = []
        var starter: Int?
        var lastClass: UInt8 = 0
        for scalar in scalars {
            let combiningClass = combiningClasses[scalar] ?? 0
            if let starter {
                let isBlocked = output.count - 1 > starter && (lastClass == 0 || lastClass >= combiningClass)
                if !isBlocked, let composite = composite(output[starter], scalar) {
                    output[starter] = composite
                    continue
                }
            }
            if combiningClass == 0 { starter = output.count }
            lastClass = combiningClass
            output.append(scalar)
        }
        return output
    }

    private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first >= Self.leadBase, first < Self.leadBase + 19, second >= Self.vowelBase, second < Self.vowelBase + 21 {
            return Self.syllableBase + ((first - Self.leadBase) * 21 + second - Self.vowelBase) * 28
        }
        if first >= Self.syllableBase, first < Self.syllableBase + Self.syllableCount,
            (first - Self.syllableBase) % 28 == 0, second > Self.tailBase, second < Self.tailBase + 28
        {
            return first + second - Self.tailBase
        }
        return composites[UInt64(first) << 32 | UInt64(second)]
    }
}

/// The four normal forms of Unicode.
enum NormalForm: Sendable {
    case composed, decomposed, compatiblyComposed, compatiblyDecomposed

    var composes: Bool { self == .composed || self == .compatiblyComposed }
    var isCompatible: Bool { self == .compatiblyComposed || self == .compatiblyDecomposed }

    /// Below it every scalar is its own form, wherever it stands.
    var firstScalarThatChanges: UInt32 {
        switch self {
        case .composed: 0x300
        case .decomposed: 0xC0
        case .compatiblyComposed, .compatiblyDecomposed: 0xA0
        }
    }

    /// The least lead byte of such scalars in UTF-8.
    var firstByteThatChanges: UInt8 {
        switch self {
        case .composed: 0xCC
        case .decomposed: 0xC3
        case .compatiblyComposed, .compatiblyDecomposed: 0xC2
        }
    }
}
