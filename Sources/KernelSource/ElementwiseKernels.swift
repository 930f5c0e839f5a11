package import CIntrinsics

/// Sixteen floats: one zmm register, two ymm, four of NEON or SSE.
typealias Lanes = SIMD16<Float>

/// Fills the elementwise table with this module's functions.
package func fillElementwiseKernels(_ table: UnsafeMutablePointer<qk_elementwise_kernels>) {
    table.pointee.add = add
    table.pointee.add_scaled = addScaled
    table.pointee.scale = scale
    table.pointee.exponential = exponentialOfEach
    table.pointee.logarithm = logarithmOfEach
    table.pointee.hyperbolic_tangent = hyperbolicTangentOfEach
    table.pointee.rms_norm = rmsNorm
    table.pointee.rms_norm_backward = rmsNormBackward
    table.pointee.layer_norm = layerNorm
    table.pointee.layer_norm_backward = layerNormBackward
    table.pointee.rotate = rotate
    table.pointee.rotate_pairs = rotatePairs
    table.pointee.activate = activate
    table.pointee.activate_backward = activateBackward
    table.pointee.soft_cap = softCap
    table.pointee.dropout = dropout
    table.pointee.dot = dot
    table.pointee.sum_of_squares = sumOfSquares
    table.pointee.first_with_exponent32 = firstWithExponent32
    table.pointee.first_with_exponent16 = firstWithExponent16
    table.pointee.largest = indexOfLargest
    table.pointee.adamw = adamW
    table.pointee.cross_entropy = crossEntropy
    table.pointee.softmax_part = softmaxPart
    fillAttentionKernels(table)
    table.pointee.attention_decode = attentionDecode
    table.pointee.attention_join = attentionJoin
}

// MARK: - Walking a row

/// Lanes at `from`: all sixteen, or the first `valid` with zeros behind them.
@inline(__always)
func lanes(_ from: UnsafePointer<Float>, _ valid: Int) -> Lanes {
    valid == 16 ? qv_load(from) : qv_load_first(from, Int64(valid))
}

/// Stores all sixteen lanes, or the first `valid`.
@inline(__always)
func put(_ value: Lanes, _ to: UnsafeMutablePointer<Float>, _ valid: Int) {
    if valid == 16 { qv_store(to, value) } else { qv_store_first(to, value, Int64(valid)) }
}

/// Calls `body` with the offset and the number of valid lanes of each vector of a row. An element's value does not
/// depend on where the row ends: the last, short vector runs the same operations.
@inline(__always)
func forEachVector(_ count: Int64, _ body: (_ offset: Int, _ valid: Int) -> Void) {
    let count = Int(count)
    let full = count & ~15
    var offset = 0
    while offset < full {
        body(offset, 16)
        offset &+= 16
    }
    if offset < count { body(offset, count &- offset) }
}

/// The sum of `term` over a row: four chains of lanes, joined in one fixed order. `term` adds to the chain it is given;
/// lanes behind the valid ones must add nothing.
@inline(__always)
func sumOverRow(_ count: Int, _ term: (_ offset: Int, _ valid: Int, _ sum: Lanes) -> Lanes) -> Float {
    var (first, second, third, fourth) = (qv_splat(0), qv_splat(0), qv_splat(0), qv_splat(0))
    var at = 0
    while at &+ 64 <= count {
        first = term(at, 16, first)
        second = term(at &+ 16, 16, second)
        third = term(at &+ 32, 16, third)
        fourth = term(at &+ 48, 16, fourth)
        at &+= 64
    }
    while at &+ 16 <= count {
        first = term(at, 16, first)
        at &+= 16
    }
    if at < count { second = term(at, count &- at, second) }
    return qv_sum((first + second) + (third + fourth))
}

/// The first `valid` lanes, zeros behind them.
@inline(__always)
func onlyValid(_ value: Lanes, _ valid: Int) -> Lanes {
    if valid == 16 { return value }
    let isValid = qv_less_or_equal_integers(qv_indices(), qv_splat_integer(Int32(truncatingIfNeeded: valid &- 1)))
    return qv_select(isValid, value, qv_splat(0))
}

// MARK: - Sums and multiples

private func add(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int64) {
    forEachVector(count) { at, valid in put(lanes(y + at, valid) + lanes(x + at, valid), y + at, valid) }
}

private func addScaled(
    _ x: UnsafePointer<Float>, _ factor: Float, _ y: UnsafeMutablePointer<Float>, _ count: Int64
) {
    let factor = qv_splat(factor)
    forEachVector(count) { at, valid in
        put(qv_multiply_add(factor, lanes(x + at, valid), lanes(y + at, valid)), y + at, valid)
    }
}

private func scale(_ x: UnsafePointer<Float>, _ factor: Float, _ y: UnsafeMutablePointer<Float>, _ count: Int64) {
    let factor = qv_splat(factor)
    forEachVector(count) { at, valid in put(factor * lanes(x + at, valid), y + at, valid) }
}

private func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int64) -> Float {
    sumOverRow(Int(count)) { at, valid, sum in qv_multiply_add(lanes(x + at, valid), lanes(y + at, valid), sum) }
}
