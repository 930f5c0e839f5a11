/// The generator of torch on a CPU: MT19937 (Matsumoto and Nishimura 1998, `init_genrand`, 32-bit outputs), with the
/// derived draws of `torch.Tensor.uniform_` and `torch.randperm`, equal to torch's bit for bit.
///
/// It exists so that row orders and initial adapters equal those of the reference stack for the same seed. Everything
/// that needs no such equality uses counter-based generators, whose draws do not depend on the number of draws before.
/// A draw costs about 2 ns.
public struct MersenneTwister: Sendable {
    private static let stateCount = 624
    private static let shift = 397

    private var state: [UInt32]
    private var index: Int

    /// The generator after `torch.manual_seed(seed)`: only the low 32 bits of the seed enter, as in torch.
    public init(seed: UInt64) {
        state = [UInt32](repeating: 0, count: Self.stateCount)
        state[0] = UInt32(truncatingIfNeeded: seed)
        for i in 1..<Self.stateCount {
            let previous = state[i - 1]
            state[i] = 1_812_433_253 &* (previous ^ (previous >> 30)) &+ UInt32(i)
        }
        index = Self.stateCount
    }

    /// The next 32-bit output.
    public mutating func next() -> UInt32 {
        if index == Self.stateCount { regenerate() }
        var y = state[index]
        index += 1
        y ^= y >> 11
        y ^= (y << 7) & 0x9D2C_5680
        y ^= (y << 15) & 0xEFC6_0000
        return y ^ (y >> 18)
    }

    /// Leaves out `count` outputs: what a reference draws and throws away. Costs a 624th of a regeneration each.
    public mutating func skip(_ count: Int) {
        var remaining = count
        while remaining > 0 {
            if index == Self.stateCount { regenerate() }
            let here = min(remaining, Self.stateCount - index)
            index += here
            remaining -= here
        }
    }

    /// The next float32 uniform in 0..<1 as `torch.rand` draws it: the low 24 bits of an output over 2^24.
    public mutating func nextUniform() -> Float { Float(next() & 0xFF_FFFF) * 0x1p-24 }

    /// Fills the values as `tensor.uniform_(-bound, bound)` fills a float32 tensor on a CPU: one draw each, in order,
    /// widened by a fused multiply-add (a separate multiplication and addition differ in half of the values).
    public mutating func fillUniform(_ values: UnsafeMutableBufferPointer<Float>, bound: Double) {
        let low = Float(-bound), width = Float(bound) - Float(-bound)
        for i in values.indices { values[i] = low.addingProduct(nextUniform(), width) }
    }

    /// A permutation of 0..<count, the one of `torch.randperm(count)`.
    ///
    /// - Parameter count: below 2^32 / 20, from where on torch draws 64 bits each.
    public mutating func permutation(_ count: Int) -> [Int] {
        guard count < Int(UInt32.max / 20) else { fatalError("a permutation of \(count) elements is not supported") }
        var order = Array(0..<max(count, 0))
        guard count > 1 else { return order }
        for i in 0..<(count - 1) { order.swapAt(i, i + Int(next() % UInt32(count - i))) }
        return order
    }

    private mutating func regenerate() {
        state.withUnsafeMutableBufferPointer { state in
            for i in 0..<Self.stateCount {
                let next = i + 1 == Self.stateCount ? 0 : i + 1
                let far = i + Self.shift < Self.stateCount ? i + Self.shift : i + Self.shift - Self.stateCount
                let mixed = (state[i] & 0x8000_0000) | (state[next] & 0x7FFF_FFFF)
                state[i] = state[far] ^ (mixed >> 1) ^ (mixed & 1 == 0 ? 0 : 0x9908_B0DF)
            }
        }
        index = 0
    }
}
