internal import CIntrinsics

// Blocks that carry their scale: a float16, then the codes of 32 elements. Rows are whole blocks, so that every chunk is a
// block. A code times its scale is exact in float32.

/// 34 bytes: the scale, then 32 signed bytes (GGUF's Q8_0).
enum Blocks8Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }
    @inline(__always) static var sixteenthBits: Int { 136 }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        let block = weight.pointee.elements.unsafelyUnwrapped + (index &>> 5) &* 34
        let scale = qk_splat(qk_float16_value(block.loadUnaligned(as: UInt16.self)))
        return (qk_load_signed_bytes(block + 2) * scale, qk_load_signed_bytes(block + 18) * scale)
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        let block = weight.pointee.elements.unsafelyUnwrapped + (index &>> 5) &* 34
        let code = Float((block + (2 &+ index & 31)).load(as: Int8.self))
        return code * qk_float16_value(block.loadUnaligned(as: UInt16.self))
    }
}

/// 18 bytes: the scale, then 16 bytes with the codes of elements i and i + 16 in the low and high half of byte i; a code
/// stands for itself less 8 (GGUF's Q4_0).
enum Blocks4Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }
    @inline(__always) static var sixteenthBits: Int { 72 }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        let block = weight.pointee.elements.unsafelyUnwrapped + (index &>> 5) &* 18
        let scale = qk_float16_value(block.loadUnaligned(as: UInt16.self))
        let values = SIMD16<Float>(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7)
        let scaled = values * qk_splat(scale)
        let codes = qk_load_bytes(block + 2)
        return (qk_lookup(scaled, codes), qk_lookup(scaled, codes &>> 4))
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        let block = weight.pointee.elements.unsafelyUnwrapped + (index &>> 5) &* 18
        let place = index & 31
        let byte = (block + (2 &+ place & 15)).load(as: UInt8.self)
        let code = Float(Int(place < 16 ? byte & 15 : byte &>> 4) &- 8)
        return code * qk_float16_value(block.loadUnaligned(as: UInt16.self))
    }
}
