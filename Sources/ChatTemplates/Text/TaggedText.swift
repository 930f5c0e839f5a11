/// Text as an array of Unicode scalars, each of which knows where it came from: from the template, or from the data
/// that the template was given. Operations on text keep these origins, so that the rendered text can be taken apart
/// again: control tokens that a message spells are plain text, and the words of a message can be found.
package struct TaggedText: Sendable {
    /// Bits 0 to 20 hold the scalar, bits 21 to 30 the origin, bit 31 whether a `generation` block made it.
    var units: [UInt32]

    static let scalarMask: UInt32 = 0x1F_FFFF
    static let generationFlag: UInt32 = 1 << 31

    init(units: [UInt32] = []) { self.units = units }

    /// Text of one origin.
    init(_ text: String, _ origin: Origin = .template) {
        let bits = origin.bits
        units = text.unicodeScalars.map { $0.value | bits }
    }

    var count: Int { units.count }
    var isEmpty: Bool { units.isEmpty }

    /// The text without its origins.
    package var string: String {
        var string = String.UnicodeScalarView()
        string.reserveCapacity(units.count)
        for unit in units { string.append(Self.scalar(unit)) }
        return String(string)
    }

    static func scalar(_ unit: UInt32) -> Unicode.Scalar { Unicode.Scalar(unit & scalarMask) ?? "\u{FFFD}" }

    /// A scalar in place of another one, with the other one's origin.
    static func replacing(_ unit: UInt32, by scalar: Unicode.Scalar) -> UInt32 { unit & ~scalarMask | scalar.value }

    static func sameScalar(_ left: UInt32, _ right: UInt32) -> Bool { (left ^ right) & scalarMask == 0 }

    /// Whether both spell the same, wherever it came from.
    func spells(_ text: String) -> Bool {
        var index = 0
        for scalar in text.unicodeScalars {
            guard index < units.count, units[index] & Self.scalarMask == scalar.value else { return false }
            index += 1
        }
        return index == units.count
    }
}

extension TaggedText: Hashable {
    package static func == (left: Self, right: Self) -> Bool {
        left.units.count == right.units.count && zip(left.units, right.units).allSatisfy(sameScalar)
    }

    package func hash(into hasher: inout Hasher) {
        for unit in units { hasher.combine(unit & Self.scalarMask) }
    }
}

extension TaggedText: Comparable {
    /// By code points, as Python compares.
    package static func < (left: Self, right: Self) -> Bool {
        left.units.lexicographicallyPrecedes(right.units) { $0 & scalarMask < $1 & scalarMask }
    }
}

/// Where a scalar came from.
enum Origin: Equatable {
    /// The template's own text, or a value it may treat as its own: a special token, a role.
    case template
    /// Data that belongs to no message: tools, documents, arguments.
    case data
    /// The message of an index; messages from `lastMessage` on share one origin.
    case message(Int)

    /// The last index that has an origin of its own.
    static let lastMessage = 1020

    private static let shift: UInt32 = 21

    var bits: UInt32 {
        switch self {
        case .template: 0
        case .data: 1 << Self.shift
        case .message(let index): UInt32(2 + min(index, Self.lastMessage)) << Self.shift
        }
    }

    /// A number for the origin of a unit of text.
    static func tag(of unit: UInt32) -> UInt32 { unit >> shift & 0x3FF }

    /// The origin of a unit of text.
    init(_ unit: UInt32) {
        switch Self.tag(of: unit) {
        case 0: self = .template
        case 1: self = .data
        case let value: self = .message(Int(value) - 2)
        }
    }
}
