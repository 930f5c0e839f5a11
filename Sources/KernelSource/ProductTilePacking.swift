internal import CIntrinsics

#if ISA_AVX512 || ISA_AVX512BF16
/// Rows and units of a piece of a whole tile.
private typealias TwelveRows = InlineArray<12, SIMD16<Float>>

/// Transposes 16 units of each of the twelve rows of a whole tile: [16][12] units at `target`, which is aligned to 64. Twelve
/// whole stores instead of sixteen that cross cache lines.
@inline(__always)
func packTwelveRows(
    _ target: UnsafeMutablePointer<Float>, _ row: (Int) -> SIMD16<Float>
) {
    let z = qk_splat(0)
    var rows: TwelveRows = [z, z, z, z, z, z, z, z, z, z, z, z]
    // Of four rows each, pairs, then fours within quarters: rows[4g + c] holds unit 4q + c of its four rows in quarter q.
    for group in 0..<3 {
        let base = group &* 4
        let (first, second, third, fourth) = (row(base), row(base &+ 1), row(base &+ 2), row(base &+ 3))
        let a = qk_zip_low(first, second)
        let b = qk_zip_high(first, second)
        let c = qk_zip_low(third, fourth)
        let d = qk_zip_high(third, fourth)
        rows[base] = qk_zip_pairs_low(a, c)
        rows[base &+ 1] = qk_zip_pairs_high(a, c)
        rows[base &+ 2] = qk_zip_pairs_low(b, d)
        rows[base &+ 3] = qk_zip_pairs_high(b, d)
    }
    // The units 4q ..< 4q + 4 of all rows are twelve quarters, in three vectors: the quarters q of four vectors each.
    storeQuarters(rows[0], rows[4], rows[8], rows[1], target)
    storeQuarters(rows[5], rows[9], rows[2], rows[6], target + 16)
    storeQuarters(rows[10], rows[3], rows[7], rows[11], target + 32)
}

/// Stores the quarters q of four vectors together, for each q, 48 floats apart.
@inline(__always)
private func storeQuarters(
    _ a: SIMD16<Float>, _ b: SIMD16<Float>, _ c: SIMD16<Float>, _ d: SIMD16<Float>,
    _ target: UnsafeMutablePointer<Float>
) {
    let evenLow = qk_even_quarters(a, b)
    let oddLow = qk_odd_quarters(a, b)
    let evenHigh = qk_even_quarters(c, d)
    let oddHigh = qk_odd_quarters(c, d)
    qk_store(target, qk_even_quarters(evenLow, evenHigh))
    qk_store(target + 48, qk_even_quarters(oddLow, oddHigh))
    qk_store(target + 96, qk_odd_quarters(evenLow, evenHigh))
    qk_store(target + 144, qk_odd_quarters(oddLow, oddHigh))
}
#endif
