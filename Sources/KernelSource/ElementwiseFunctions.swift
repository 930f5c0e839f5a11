internal import CIntrinsics

// exp, ln and tanh by the range reductions of the Cephes library (S. Moshier: expf, logf, tanhf) and minimax polynomials,
// Cephes' but for exp, where one of a degree less is as good; largest errors, tested: 2 units in the last place.

/// The arguments between which the exponential is neither below the normal numbers nor above all.
@inline(__always) private var lowestArgument: Lanes { qv_splat(-87.336) }
@inline(__always) private var greatestArgument: Lanes { qv_splat(88.72283) }

/// exp(x); 0 where the result would be below 1.1761e-38 (no denormals), infinity above the range; NaN stays NaN.
@inline(__always)
func exponential(_ x: Lanes) -> Lanes {
    qv_select(qv_less(x, lowestArgument), qv_splat(0), exponentialFromLowest(x))
}

/// The same bits for x that is at most 0, or NaN.
@inline(__always)
func exponentialUpToOne(_ x: Lanes) -> Lanes {
    qv_select(qv_less(x, lowestArgument), qv_splat(0), exponentialInRange(qv_max(lowestArgument, x)))
}

/// exp(x), 1.1761e-38 where it would be below.
@inline(__always)
private func exponentialFromLowest(_ x: Lanes) -> Lanes {
    let result = exponentialInRange(qv_min(greatestArgument, qv_max(lowestArgument, x)))
    return qv_select(qv_less(greatestArgument, x), qv_splat(.infinity), result)
}

/// exp(x) from the lowest to the greatest argument; NaN stays NaN.
@inline(__always)
private func exponentialInRange(_ x: Lanes) -> Lanes {
    // Adding 1.5 * 2^23 rounds to the nearest integer n and leaves it in the low bits, ready to shift into the exponent.
    let shifted = qv_multiply_add(x, qv_splat(1.442_695_04), qv_splat(12_582_912))
    let n = shifted - qv_splat(12_582_912)
    // n * 0.693359375 is exact: 9 bits by 8.
    var r = qv_multiply_add(n, qv_splat(-0.693_359_375), x)
    r = qv_multiply_add(n, qv_splat(2.121_944_40e-4), r)
    // Beside 1 + r, r² times the polynomial whose largest relative error of exp is least: 3e-9.
    var p = qv_splat(1.381_454_02e-3)
    p = qv_multiply_add(p, r, qv_splat(8.368_745_11e-3))
    p = qv_multiply_add(p, r, qv_splat(4.166_839_08e-2))
    p = qv_multiply_add(p, r, qv_splat(1.666_652_04e-1))
    p = qv_multiply_add(p, r, qv_splat(4.999_999_34e-1))
    let y = qv_multiply_add(p, r * r, r) + qv_splat(1)
    let exponents = unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &<< 23
    return unsafeBitCast(unsafeBitCast(y, to: SIMD16<UInt32>.self) &+ exponents, to: Lanes.self)
}

/// ln(x) for positive normal x, infinity and NaN.
@inline(__always)
func logarithm(_ x: Lanes) -> Lanes {
    let bits = unsafeBitCast(x, to: SIMD16<Int32>.self)
    let fractionBits = (bits & SIMD16(repeating: 0x007f_ffff)) | SIMD16(repeating: 0x3f00_0000)
    let fraction = unsafeBitCast(fractionBits, to: Lanes.self)  // from 0.5 below 1
    let exponent = qv_integers_as_floats((bits &>> 23) &- SIMD16(repeating: 126))
    let isLow = qv_less(fraction, qv_splat(0.707_106_77))
    let m = qv_select(isLow, fraction + fraction, fraction) - qv_splat(1)
    let e = qv_select(isLow, exponent - qv_splat(1), exponent)
    let square = m * m
    var p = qv_splat(7.037_683_629_2e-2)
    p = qv_multiply_add(p, m, qv_splat(-1.151_461_031_0e-1))
    p = qv_multiply_add(p, m, qv_splat(1.167_699_874_0e-1))
    p = qv_multiply_add(p, m, qv_splat(-1.242_014_084_6e-1))
    p = qv_multiply_add(p, m, qv_splat(1.424_932_278_7e-1))
    p = qv_multiply_add(p, m, qv_splat(-1.666_805_766_5e-1))
    p = qv_multiply_add(p, m, qv_splat(2.000_071_476_5e-1))
    p = qv_multiply_add(p, m, qv_splat(-2.499_999_399_3e-1))
    p = qv_multiply_add(p, m, qv_splat(3.333_333_117_4e-1))
    var y = p * m * square
    y = qv_multiply_add(e, qv_splat(-2.121_944_40e-4), y)
    y = qv_multiply_add(square, qv_splat(-0.5), y)
    let result = qv_multiply_add(e, qv_splat(0.693_359_375), m + y)
    // Infinity and NaN pass through.
    return qv_select(qv_less(x, qv_splat(.infinity)), result, x)
}

/// tanh(x).
@inline(__always)
func hyperbolicTangent(_ x: Lanes) -> Lanes {
    let magnitude = qv_absolute(x)
    let square = x * x
    var p = qv_splat(-5.704_988_727_45e-3)
    p = qv_multiply_add(p, square, qv_splat(2.063_908_884_8e-2))
    p = qv_multiply_add(p, square, qv_splat(-5.373_971_238_85e-2))
    p = qv_multiply_add(p, square, qv_splat(1.333_144_422_3e-1))
    p = qv_multiply_add(p, square, qv_splat(-3.333_328_190_6e-1))
    let small = qv_multiply_add(p * square, x, x)
    let large = qv_splat(1) - qv_splat(2) / (exponential(magnitude + magnitude) + qv_splat(1))
    let signed = qv_select(qv_less(x, qv_splat(0)), qv_splat(0) - large, large)
    return qv_select(qv_less(magnitude, qv_splat(0.625)), small, signed)
}

/// 1 / (1 + exp(-x)).
@inline(__always)
func sigmoid(_ x: Lanes) -> Lanes {
    // To 1, the least exponential adds as little as 0.
    qv_splat(1) / (qv_splat(1) + exponentialFromLowest(qv_splat(0) - x))
}

// MARK: - Entries

func exponentialOfEach(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int64) {
    forEachVector(count) { at, valid in put(exponential(lanes(x + at, valid)), y + at, valid) }
}

func logarithmOfEach(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int64) {
    forEachVector(count) { at, valid in put(logarithm(lanes(x + at, valid)), y + at, valid) }
}

func hyperbolicTangentOfEach(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int64) {
    forEachVector(count) { at, valid in put(hyperbolicTangent(lanes(x + at, valid)), y + at, valid) }
}
