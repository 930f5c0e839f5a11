internal import CIntrinsics

/// The types that weights are quantized from.
public enum SourceType: String, Sendable, CaseIterable {
    case float32
    case bfloat16
    case float16

    public var byteCount: Int { self == .float32 ? 4 : 2 }

    var kernelType: Int32 {
        switch self {
        case .float32: Int32(QK_SOURCE_FLOAT32)
        case .bfloat16: Int32(QK_SOURCE_BFLOAT16)
        case .float16: Int32(QK_SOURCE_FLOAT16)
        }
    }

    /// The element of an index, exact in float32. The memory may have any alignment.
    @inline(__always) package func element(_ base: UnsafeRawPointer, _ index: Int) -> Float {
        switch self {
        case .float32: base.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
        case .bfloat16:
            Float(bitPattern: UInt32(base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)) << 16)
        case .float16: Self.widen(base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
        }
    }

    /// IEEE binary16 to binary32; infinities and NaNs stay such.
    private static func widen(_ half: UInt16) -> Float {
        let bits = UInt32(half), magnitude = bits & 0x7FFF, sign = (bits & 0x8000) << 16
        guard magnitude < 0x7C00 else { return Float(bitPattern: sign | 0x7F80_0000 | (magnitude & 0x3FF) << 13) }
        // The exponent is rebased by an exact multiplication, which also normalises subnormal numbers.
        return Float(bitPattern: sign | (Float(bitPattern: magnitude << 13) * 0x1p112).bitPattern)
    }
}
