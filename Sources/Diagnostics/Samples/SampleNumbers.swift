/// A small generator of sample data: xorshift64* (Vigna, 2016), the same numbers on every machine.
package struct SampleNumbers {
    private var state: UInt64

    package init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    package mutating func bits() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }

    /// Uniform in -1 ..< 1.
    package mutating func float() -> Float { Float(Int64(bits() >> 40) - (1 << 23)) / Float(1 << 23) }
}

/// Rounds to bfloat16, to nearest even.
package func roundedToBFloat16(_ value: Float) -> Float {
    let bits = value.bitPattern
    return Float(bitPattern: (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000)
}
