internal import CIntrinsics

/// erfc(x) for x from 0 to infinity by the polynomials of the Cephes library (S. Moshier: erfcf); relative error below
/// 1.5e-6 up to 5, 4e-6 beyond.
@inline(__always)
private func complementaryError(_ x: Lanes) -> Lanes {
    let square = x * x
    var small = qv_splat(7.853_861_353e-5)
    small = qv_multiply_add(small, square, qv_splat(-8.010_193_625e-4))
    small = qv_multiply_add(small, square, qv_splat(5.188_327_686e-3))
    small = qv_multiply_add(small, square, qv_splat(-2.685_381_194e-2))
    small = qv_multiply_add(small, square, qv_splat(1.128_358_515e-1))
    small = qv_multiply_add(small, square, qv_splat(-3.761_262_582e-1))
    small = qv_multiply_add(small, square, qv_splat(1.128_379_165))
    let belowOne = qv_splat(1) - x * small

    // Beyond 1: exp(-x^2) / x times a polynomial in 1 / x^2. The smaller arguments are replaced to divide by no zero.
    let reciprocal = qv_splat(1) / qv_max(qv_splat(1), x)
    let inverseSquare = reciprocal * reciprocal
    var middle = qv_splat(2.326_819_970e-2)
    middle = qv_multiply_add(middle, inverseSquare, qv_splat(-1.387_039_389e-1))
    middle = qv_multiply_add(middle, inverseSquare, qv_splat(3.687_424_675e-1))
    middle = qv_multiply_add(middle, inverseSquare, qv_splat(-5.824_733_027e-1))
    middle = qv_multiply_add(middle, inverseSquare, qv_splat(6.210_004_622e-1))
    middle = qv_multiply_add(middle, inverseSquare, qv_splat(-4.944_515_323e-1))
    middle = qv_multiply_add(middle, inverseSquare, qv_splat(3.404_879_938e-1))
    middle = qv_multiply_add(middle, inverseSquare, qv_splat(-2.741_127_028e-1))
    middle = qv_multiply_add(middle, inverseSquare, qv_splat(5.638_259_427e-1))
    var far = qv_splat(-1.047_766_400e1)
    far = qv_multiply_add(far, inverseSquare, qv_splat(1.297_719_955e1))
    far = qv_multiply_add(far, inverseSquare, qv_splat(-7.495_518_718))
    far = qv_multiply_add(far, inverseSquare, qv_splat(2.921_019_019))
    far = qv_multiply_add(far, inverseSquare, qv_splat(-1.015_265_279))
    far = qv_multiply_add(far, inverseSquare, qv_splat(4.218_463_358e-1))
    far = qv_multiply_add(far, inverseSquare, qv_splat(-2.820_767_440e-1))
    far = qv_multiply_add(far, inverseSquare, qv_splat(5.641_895_068e-1))
    let tail = exponentialUpToOne(qv_splat(0) - square) * reciprocal * qv_select(qv_less(x, qv_splat(2)), middle, far)
    return qv_select(qv_less(x, qv_splat(1)), belowOne, tail)
}

/// Φ(x), the distribution function of the standard normal distribution.
@inline(__always)
private func normalDistribution(_ x: Lanes) -> Lanes {
    let tail = qv_splat(0.5) * complementaryError(qv_absolute(x) * qv_splat(0.707_106_781))
    return qv_select(qv_less(x, qv_splat(0)), tail, qv_splat(1) - tail)
}

/// tanh(√(2/π)·(x + 0.044715·x³)).
@inline(__always)
private func geluTangent(_ x: Lanes) -> Lanes {
    hyperbolicTangent(qv_splat(0.797_884_561) * qv_multiply_add(qv_splat(0.044_715) * x * x, x, x))
}

/// act(x) of an activation of the header.
@inline(__always)
private func activated(_ activation: Int, _ x: Lanes) -> Lanes {
    switch activation {
    case QK_GELU: return x * normalDistribution(x)
    case QK_GELU_TANH: return qv_splat(0.5) * x * (qv_splat(1) + geluTangent(x))
    default: return x * sigmoid(x)
    }
}

/// act(x) and its derivative.
@inline(__always)
private func activatedWithSlope(_ activation: Int, _ x: Lanes) -> (value: Lanes, slope: Lanes) {
    switch activation {
    case QK_GELU:
        let share = normalDistribution(x)
        let density = qv_splat(0.398_942_280) * exponentialUpToOne(qv_splat(-0.5) * x * x)
        return (x * share, qv_multiply_add(x, density, share))
    case QK_GELU_TANH:
        let tangent = geluTangent(x)
        let half = qv_splat(0.5) * (qv_splat(1) + tangent)
        let inner = qv_splat(0.797_884_561) * qv_multiply_add(qv_splat(3 * 0.044_715) * x, x, qv_splat(1))
        let slope = qv_splat(0.5) * x * (qv_splat(1) - tangent * tangent) * inner
        return (x * half, half + slope)
    default:
        let share = sigmoid(x)
        let value = x * share
        return (value, qv_multiply_add(value, qv_splat(1) - share, share))
    }
}

/// Lanes of a row of floats, or of bfloat16.
@inline(__always)
private func lanes(_ row: UnsafeRawPointer, isNarrow: Bool, _ at: Int, _ valid: Int) -> Lanes {
    guard isNarrow else { return lanes(row.assumingMemoryBound(to: Float.self) + at, valid) }
    let words = row + at &* 2
    return valid == 16 ? qk_load_bfloat16(words) : qk_load_first_bfloat16(words, Int64(valid))
}

@inline(__always)
private func activateRow(
    _ activation: Int, isNarrow: Bool, _ row: qk_activation_row, _ out: UnsafeMutablePointer<Float>
) {
    let gate = row.gate
    if let up = row.up {
        forEachVector(row.count) { at, valid in
            let value = activated(activation, lanes(gate, isNarrow: isNarrow, at, valid))
            put(value * lanes(up, isNarrow: isNarrow, at, valid), out + at, valid)
        }
    } else {
        forEachVector(row.count) { at, valid in
            put(activated(activation, lanes(gate, isNarrow: isNarrow, at, valid)), out + at, valid)
        }
    }
}

@inline(__always)
private func activateRowBackward(
    _ activation: Int, isNarrow: Bool, _ row: qk_activation_row, _ dOut: UnsafePointer<Float>,
    _ dGate: UnsafeMutablePointer<Float>, _ dUp: UnsafeMutablePointer<Float>?
) {
    let gate = row.gate
    if let up = row.up, let dUp {
        forEachVector(row.count) { at, valid in
            let gradient = lanes(dOut + at, valid)
            let factor = lanes(up, isNarrow: isNarrow, at, valid)
            let (value, slope) = activatedWithSlope(activation, lanes(gate, isNarrow: isNarrow, at, valid))
            put(gradient * factor * slope, dGate + at, valid)
            put(gradient * value, dUp + at, valid)
        }
    } else {
        forEachVector(row.count) { at, valid in
            let gradient = lanes(dOut + at, valid)
            let slope = activatedWithSlope(activation, lanes(gate, isNarrow: isNarrow, at, valid)).slope
            put(gradient * slope, dGate + at, valid)
        }
    }
}

// MARK: - Entries

// Activation and type are chosen once for a row, so that each loop holds one of them.

func activate(_ row: UnsafePointer<qk_activation_row>, _ out: UnsafeMutablePointer<Float>) {
    let row = row.pointee
    switch (Int(row.activation), row.narrow != 0) {
    case (QK_GELU, true): activateRow(QK_GELU, isNarrow: true, row, out)
    case (QK_GELU, false): activateRow(QK_GELU, isNarrow: false, row, out)
    case (QK_GELU_TANH, true): activateRow(QK_GELU_TANH, isNarrow: true, row, out)
    case (QK_GELU_TANH, false): activateRow(QK_GELU_TANH, isNarrow: false, row, out)
    case (_, true): activateRow(QK_SILU, isNarrow: true, row, out)
    case (_, false): activateRow(QK_SILU, isNarrow: false, row, out)
    }
}

func activateBackward(
    _ row: UnsafePointer<qk_activation_row>, _ dOut: UnsafePointer<Float>, _ dGate: UnsafeMutablePointer<Float>,
    _ dUp: UnsafeMutablePointer<Float>?
) {
    let row = row.pointee
    switch (Int(row.activation), row.narrow != 0) {
    case (QK_GELU, true): activateRowBackward(QK_GELU, isNarrow: true, row, dOut, dGate, dUp)
    case (QK_GELU, false): activateRowBackward(QK_GELU, isNarrow: false, row, dOut, dGate, dUp)
    case (QK_GELU_TANH, true): activateRowBackward(QK_GELU_TANH, isNarrow: true, row, dOut, dGate, dUp)
    case (QK_GELU_TANH, false): activateRowBackward(QK_GELU_TANH, isNarrow: false, row, dOut, dGate, dUp)
    case (_, true): activateRowBackward(QK_SILU, isNarrow: true, row, dOut, dGate, dUp)
    case (_, false): activateRowBackward(QK_SILU, isNarrow: false, row, dOut, dGate, dUp)
    }
}

func softCap(_ x: UnsafePointer<Float>, _ cap: Float, _ y: UnsafeMutablePointer<Float>, _ count: Int64) {
    let cap = qv_splat(cap)
    forEachVector(count) { at, valid in put(softCapped(lanes(x + at, valid), cap: cap), y + at, valid) }
}
