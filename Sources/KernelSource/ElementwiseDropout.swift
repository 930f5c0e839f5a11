internal import CIntrinsics

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) in sixteen lanes.
///
/// Lane i of word w belongs to counter (first + i, position, row, site).
@inline(__always)
private func philox(
    _ counters: SIMD16<UInt32>, _ parameters: qk_dropout
) -> (SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>) {
    var c0 = counters
    var c1 = SIMD16<UInt32>(repeating: parameters.position)
    var c2 = SIMD16<UInt32>(repeating: parameters.row)
    var c3 = SIMD16<UInt32>(repeating: parameters.site)
    var k0 = parameters.key_low
    var k1 = parameters.key_high
    for _ in 0..<10 {
        let high0 = qv_multiply_high(c0, 0xD251_1F53)
        let low0 = c0 &* SIMD16(repeating: 0xD251_1F53)
        let high1 = qv_multiply_high(c2, 0xCD9E_8D57)
        let low1 = c2 &* SIMD16(repeating: 0xCD9E_8D57)
        c0 = high1 ^ c1 ^ SIMD16(repeating: k0)
        c1 = low1
        c2 = high0 ^ c3 ^ SIMD16(repeating: k1)
        c3 = low0
        k0 = k0 &+ 0x9E37_79B9
        k1 = k1 &+ 0xBB67_AE85
    }
    return (c0, c1, c2, c3)
}

/// Column c takes word (c % 64) / 16 of the counter (c / 64) * 16 + c % 16.
func dropout(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int64,
    _ parameters: UnsafePointer<qk_dropout>
) {
    let parameters = parameters.pointee
    let threshold = SIMD16<UInt32>(repeating: parameters.threshold)
    let scale = qv_splat(parameters.scale)
    let count = Int(count)
    let indices = unsafeBitCast(qv_indices(), to: SIMD16<UInt32>.self)
    var block = 0
    while block &* 64 < count {
        let words = philox(indices &+ SIMD16(repeating: UInt32(truncatingIfNeeded: block &* 16)), parameters)
        @inline(__always)
        func keep(_ word: SIMD16<UInt32>, _ at: Int) {
            guard at < count else { return }
            let valid = min(16, count &- at)
            let kept = qv_not_below(word, threshold)
            put(qv_select(kept, scale * lanes(x + at, valid), qv_splat(0)), y + at, valid)
        }
        keep(words.0, block &* 64)
        keep(words.1, block &* 64 &+ 16)
        keep(words.2, block &* 64 &+ 32)
        keep(words.3, block &* 64 &+ 48)
        block &+= 1
    }
}
