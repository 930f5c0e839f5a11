public import System
internal import Tensors

/// A vector of float32 numbers in memory of its own: a norm's weight, a bias.
public final class FloatVector: Sendable {
    private let memory: AlignedMemory
    /// Elements.
    public let count: Int

    /// The elements, aligned to 64 bytes. Valid while the object lives: whoever keeps the pointer keeps the object.
    public var base: UnsafePointer<Float> { UnsafePointer(memory.floats) }

    /// A copy of the elements.
    public var elements: [Float] {
        withExtendedLifetime(self) { Array(UnsafeBufferPointer(start: base, count: count)) }
    }

    /// A vector of given elements.
    public init(_ elements: [Float]) {
        memory = AlignedMemory(byteCount: elements.count * MemoryLayout<Float>.stride)
        count = elements.count
        memory.floats.update(from: elements, count: elements.count)
    }

    /// Converts a tensor exactly; float64 is rounded.
    ///
    /// - Throws: `Failure`: 69 for a type that is no float, 65 for NaN and infinities.
    init(_ tensor: StoredTensor) throws(Failure) {
        let count = tensor.elementCount
        try tensor.checkFinite()
        memory = AlignedMemory(byteCount: count * MemoryLayout<Float>.stride)
        self.count = count
        let bytes = tensor.bytes, floats = memory.floats
        switch tensor.type {
        case .float32:
            for index in 0..<count { floats[index] = bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self) }
        case .bfloat16:
            for index in 0..<count {
                let bits = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
                floats[index] = Float(bitPattern: UInt32(bits) << 16)
            }
        case .float16:
            for index in 0..<count {
                floats[index] = Self.float(half: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
            }
        case .float64:
            for index in 0..<count {
                floats[index] = Float(bytes.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
            }
        default:
            throw Failure(
                .unsupported, "is stored as \(tensor.type.rawValue); float types up to 64 bits are read",
                at: tensor.place)
        }
    }

    /// A finite float16 as float32, exactly; `Float16` itself is missing on x86 Macs.
    static func float(half bits: UInt16) -> Float {
        let magnitude = UInt32(bits & 0x7FFF)
        // The exponent moves from bias 15 to 127 by a multiplication that also makes subnormal numbers normal.
        let scaled = Float(bitPattern: magnitude << 13) * 0x1p112
        return bits & 0x8000 == 0 ? scaled : -scaled
    }
}

extension Checkpoint {
    /// A tensor of one dimension as float32.
    ///
    /// - Throws: `Failure`: 65 missing, of another shape or not finite; 69 of a type that is no float.
    public func vector(named name: String, count: Int) throws(Failure) -> FloatVector {
        let tensor = try requiredTensor(named: name)
        guard tensor.shape == [count] else {
            throw Failure(.badData, "the shape is \(tensor.shape) where [\(count)] is expected", at: tensor.place)
        }
        return try FloatVector(tensor)
    }

    /// Any float tensor as float32, its elements in row-major order.
    ///
    /// - Throws: `Failure`: 65 missing, of another shape or not finite; 69 of a type that is no float.
    public func floats(named name: String, shape: [Int]) throws(Failure) -> FloatVector {
        let tensor = try requiredTensor(named: name)
        guard tensor.shape == shape else {
            throw Failure(.badData, "the shape is \(tensor.shape) where \(shape) is expected", at: tensor.place)
        }
        return try FloatVector(tensor)
    }
}
