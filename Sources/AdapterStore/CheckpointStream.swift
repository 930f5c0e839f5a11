/// What a stream is to its tensor. The raw value is stored in the file.
package struct StreamRole: RawRepresentable, Hashable, Sendable {
    package let rawValue: String

    /// Lower-case letters, digits and underscores, 1 to 32 of them, the first a letter; anything else ends the process.
    package init(rawValue: String) {
        guard Self.isValid(rawValue) else { fatalError("\"\(rawValue)\" cannot be the role of a stream") }
        self.rawValue = rawValue
    }

    /// The trained values.
    package static let parameters = StreamRole(rawValue: "p")
    /// An optimizer's mean of the gradients, Adam's m.
    package static let firstMoment = StreamRole(rawValue: "m")
    /// An optimizer's mean of their squares, Adam's v.
    package static let secondMoment = StreamRole(rawValue: "v")

    /// The role of an optimizer's state by its name in torch; any name that is no moment of Adam's is a role itself.
    package static func state(_ name: String) -> StreamRole {
        switch name {
        case "exp_avg": firstMoment
        case "exp_avg_sq": secondMoment
        default: StreamRole(rawValue: name)
        }
    }

    static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= 32, first >= UInt8(ascii: "a"), first <= UInt8(ascii: "z") else {
            return false
        }
        return bytes.allSatisfy {
            ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z")) || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9"))
                || $0 == UInt8(ascii: "_")
        }
    }
}

/// One tensor to be stored: float32, in memory of the caller.
package struct CheckpointStream: @unchecked Sendable {
    // Unchecked: the memory is only read, and the caller keeps it unchanged while it is stored.

    /// Not empty, at most 1024 bytes; once for each role in a file.
    package let name: String
    package let role: StreamRole
    package let shape: [Int]
    /// As many as the shape says, row-major.
    package let values: UnsafeBufferPointer<Float>

    package init(name: String, role: StreamRole, shape: [Int], values: UnsafeBufferPointer<Float>) {
        guard !name.isEmpty, name.utf8.count <= Self.nameLimit, !name.utf8.contains(0) else {
            fatalError("\"\(name)\" cannot be the name of a stream")
        }
        guard shape.count <= Self.rankLimit, values.count == shape.reduce(1, *) else {
            fatalError("the stream \(name) has \(values.count) values and the shape \(shape)")
        }
        self.name = name
        self.role = role
        self.shape = shape
        self.values = values
    }

    static let nameLimit = 1024
    static let rankLimit = 8
}

/// One tensor of a file.
package struct StreamDescription: Sendable {
    package let name: String
    package let role: StreamRole
    package let shape: [Int]
    /// Elements; the product of the shape.
    package let count: Int
    /// How the bytes were rearranged before they were compressed.
    package let transform: PlaneTransform
    /// Bytes of the file for this tensor: its share of what it was compressed together with, 0 for the copy of another.
    package let codedByteCount: Int
    /// SHA-256 of the float32 values, little-endian, in lower-case hexadecimal.
    package let sha256: String
    /// The tensor of the same content that this one is stored as, by index in the file.
    package let copyOf: Int?

    package var byteCount: Int { count * MemoryLayout<Float>.size }
}

/// How the bytes of a group of tensors are rearranged into planes. The raw value is stored in the file.
package enum PlaneTransform: String, Sendable {
    /// Each float rotated left by one bit, so that the exponent is a byte of its own; then four planes of bytes,
    /// the lowest first.
    case rotatedPlanes = "rotated-planes"

    /// Planes of one chunk.
    var planeCount: Int { 4 }
}
