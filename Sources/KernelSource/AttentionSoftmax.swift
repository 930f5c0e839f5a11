internal import CIntrinsics

// Scores become weights, and their gradients, in the order of the keys; what a query does not see gets the weight 0. Zeros
// also stand behind the keys that a query sees, as far as a tile of the products that follow reads.

/// exp(x) for x below 88, in units of log2(e) x: 2^n * 2^r with r in half a unit around 0, 2^r by a minimax polynomial of
/// degree 5 (relative error 1.2e-7) that gives exactly 1 for 0. 0 where the result would be below 1.1761e-38; NaN stays NaN.
///
/// Seven multiplications, two less than `exponentialUpToOne` has, which is 2 % of attention. That function's relative error
/// stays the same however low x is; this one's, 2e-7 + 1.4e-8 * |x| from the rounding of log2(e), 6e-8 * |x| where nothing
/// is fused, grows where a weight no longer counts beside the largest.
@inline(__always)
private func weightExponential(_ x: Lanes) -> Lanes {
    let smallest = qv_splat(-87.336)
    let logarithmOf2 = qv_splat(1.442_695_04)
    // Adding 1.5 * 2^23 rounds to the nearest integer n and leaves it in the low bits, ready to shift into the exponent.
    let rounding = qv_splat(12_582_912)
    let limited = qv_max(smallest, x)
    let shifted = qv_multiply_add(limited, logarithmOf2, rounding)
    let r = qv_multiply_add(limited, logarithmOf2, rounding - shifted)
    var p = qv_splat(1.326_464_6e-3)
    p = qv_multiply_add(p, r, qv_splat(9.671_576e-3))
    p = qv_multiply_add(p, r, qv_splat(5.550_734_7e-2))
    p = qv_multiply_add(p, r, qv_splat(2.402_224_1e-1))
    p = qv_multiply_add(p, r, qv_splat(6.931_47e-1))
    p = qv_multiply_add(p, r, qv_splat(1))
    let exponents = unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &<< 23
    let result = unsafeBitCast(unsafeBitCast(p, to: SIMD16<UInt32>.self) &+ exponents, to: Lanes.self)
    return qv_select(qv_less(x, smallest), qv_splat(0), result)
}

// MARK: - Visibility

/// A window as a 32-bit number that cannot overflow when added to a position inside a block.
@inline(__always)
func clampedWindow(_ window: Int64) -> Int { min(Int(window), 1 << 29) }

/// The first key of the first block in which one of the rows of a turn sees a key.
@inline(__always)
func firstKeyOfTurn(firstPosition: Int, window: Int) -> Int {
    max(0, firstPosition &- window &+ 1) / keyBlock &* keyBlock
}

/// Which of sixteen queries see a key: key <= query and query < key + window.
///
/// - Parameter queries: positions of the queries, counted from the first key of the block.
@inline(__always)
private func visibility(queries: SIMD16<Int32>, key: Int, window: Int32) -> SIMD16<Int32> {
    let key = Int32(truncatingIfNeeded: key)
    let isPast = qv_less_or_equal_integers(qv_splat_integer(key), queries)
    let isNear = qv_less_or_equal_integers(queries, qv_splat_integer(key &+ (window &- 1)))
    return isPast & isNear
}

/// Keys of a block, as seen by `lanes` queries from `query` on: all of them see those before `full`, a multiple of four,
/// none those from `seen` on; those up to `end`, a multiple of four, are read by tiles that contain one of the queries.
@inline(__always)
private func keyBounds(
    query: Int, lanes: Int, keyCount: Int, diagonal: Int, window: Int
) -> (full: Int, seen: Int, end: Int) {
    let seesAll = query &+ lanes &- 1 &+ diagonal < window
    let full = seesAll ? max(0, min(keyCount, query &+ diagonal &+ 1)) & ~3 : 0
    let past = query &+ lanes &+ diagonal
    return (full, max(0, min(keyCount, past)), max(0, min(keyBlock, (past &+ tileRows &+ 3) & ~3)))
}

// MARK: - Forward

/// cap * tanh(score / cap).
@inline(__always)
func softCapped(_ scores: Lanes, cap: Lanes) -> Lanes { cap * hyperbolicTangent(scores / cap) }

/// Turns the scores of sixteen queries (lanes) with a block of keys (rows) into weights exp(score - maximum), and
/// brings the running maxima and sums forward; `factors` is what sums made so far must be multiplied with.
///
/// - Parameter weights: the weights as the left operand of a reduction over keys, [keys / unit, queries]; where a unit has
///   one element, the scores' memory.
@inline(never)
func weighLanes<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ scores: UnsafeMutablePointer<Float>, keyCount: Int, query: Int, diagonal: Int,
    window: Int, softCap: Float, maxima: UnsafeMutablePointer<Float>, normalizers: UnsafeMutablePointer<Float>,
    factors: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>
) {
    let hidden = qv_splat(-Float.greatestFiniteMagnitude)
    let positions = qv_indices() &+ qv_splat_integer(Int32(truncatingIfNeeded: query &+ diagonal))
    let window32 = Int32(truncatingIfNeeded: window)
    let bounds = keyBounds(query: query, lanes: 16, keyCount: keyCount, diagonal: diagonal, window: window)
    if softCap != 0 {
        for key in 0..<bounds.seen {
            let place = scores + key &* queryBlock
            qv_store(place, softCapped(qv_load(place), cap: qv_splat(softCap)))
        }
    }

    let old = qv_load(maxima)
    var largest: InlineArray<4, Lanes> = [old, old, old, old]
    var key = 0
    while key < bounds.full {
        for next in 0..<4 { largest[next] = qv_max(largest[next], qv_load(scores + (key &+ next) &* queryBlock)) }
        key &+= 4
    }
    while key < bounds.seen {
        let isVisible = visibility(queries: positions, key: key, window: window32)
        largest[0] = qv_max(largest[0], qv_select(isVisible, qv_load(scores + key &* queryBlock), hidden))
        key &+= 1
    }
    let maximum = qv_max(qv_max(largest[0], largest[1]), qv_max(largest[2], largest[3]))

    // Four chains, each of every fourth key: a query's sum does not depend on where the others' keys end.
    let zero = qv_splat(0)
    var sums: InlineArray<4, Lanes> = [zero, zero, zero, zero]
    key = 0
    while key < bounds.full {
        var four: InlineArray<4, Lanes> = [zero, zero, zero, zero]
        for next in 0..<4 {
            four[next] = weightExponential(qv_load(scores + (key &+ next) &* queryBlock) - maximum)
            sums[next] = sums[next] + four[next]
        }
        storeOverKeys(arithmetic, four, weights, key)
        key &+= 4
    }
    while key < bounds.seen {
        var four: InlineArray<4, Lanes> = [zero, zero, zero, zero]
        for next in 0..<4 {
            let isVisible = visibility(queries: positions, key: key &+ next, window: window32)
            let weight = weightExponential(qv_load(scores + (key &+ next) &* queryBlock) - maximum)
            four[next] = qv_select(isVisible, weight, zero)
            sums[next] = sums[next] + four[next]
        }
        storeOverKeys(arithmetic, four, weights, key)
        key &+= 4
    }
    while key < bounds.end {
        storeOverKeys(arithmetic, [zero, zero, zero, zero], weights, key)
        key &+= 4
    }
    let factor = weightExponential(old - maximum)
    qv_store(factors, factor)
    qv_store(maxima, maximum)
    let sum = (sums[0] + sums[1]) + (sums[2] + sums[3])
    qv_store(normalizers, qv_multiply_add(qv_load(normalizers), factor, sum))
}

/// Stores the weights of four keys as the left operand of a reduction over keys.
@inline(__always)
private func storeOverKeys<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ four: InlineArray<4, Lanes>, _ weights: UnsafeMutablePointer<Float>, _ key: Int
) {
    let target = weights + key / Arithmetic.unitLength &* queryBlock
    for unit in 0..<4 / Arithmetic.unitLength {
        let first = unit &* Arithmetic.unitLength
        qv_store(
            target + unit &* queryBlock, Arithmetic.units(of: four[first], four[first &+ Arithmetic.unitLength &- 1]))
    }
}

// MARK: - Backward

/// Weights and their gradients as the left operands of the backward's products: of reductions over queries,
/// [keys, queries / unit], and over keys, [keys / unit, queries]. Where a unit has one element, these are two of the three.
typealias BackwardWeights = (
    overQueries: UnsafeMutablePointer<Float>, gradientsOverQueries: UnsafeMutablePointer<Float>,
    gradientsOverKeys: UnsafeMutablePointer<Float>
)

/// From scores and dP of a strip of queries (lanes) with a block of keys (rows): the probabilities, from the saved
/// log-sum-exp, and the gradients of the scores before the cap, p * (dP - delta).
///
/// - Parameter weights: of the whole block; the strip's part is written.
@inline(never)
func differentiateStrip<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ scores: UnsafePointer<Float>, _ gradients: UnsafePointer<Float>, keyCount: Int,
    query: Int, diagonal: Int, window: Int, softCap: Float, logSumExp: UnsafePointer<Float>,
    deltas: UnsafePointer<Float>, weights: BackwardWeights
) {
    let zero = qv_splat(0)
    let bounds = keyBounds(query: query, lanes: queryStrip, keyCount: keyCount, diagonal: diagonal, window: window)
    var key = 0
    if softCap == 0 {
        while key < bounds.full {
            var values: InlineArray<4, Lanes> = [zero, zero, zero, zero]
            var slopes: InlineArray<4, Lanes> = [zero, zero, zero, zero]
            for place in 0..<4 {
                let lane = query &+ (place & 1) &* 16
                let at = (key &+ place / 2) &* queryBlock &+ lane
                values[place] = weightExponential(qv_load(scores + at) - qv_load(logSumExp + lane))
                slopes[place] = values[place] * (qv_load(gradients + at) - qv_load(deltas + lane))
            }
            storePair(arithmetic, values, slopes, weights, key: key, query: query)
            key &+= 2
        }
    }
    let positions = qv_indices() &+ qv_splat_integer(Int32(truncatingIfNeeded: query &+ diagonal))
    let window32 = Int32(truncatingIfNeeded: window)
    while key < bounds.seen {
        var values: InlineArray<4, Lanes> = [zero, zero, zero, zero]
        var slopes: InlineArray<4, Lanes> = [zero, zero, zero, zero]
        for place in 0..<4 {
            let lane = query &+ (place & 1) &* 16
            let at = (key &+ place / 2) &* queryBlock &+ lane
            var score = qv_load(scores + at)
            var slope = qv_splat(1)
            if softCap != 0 {
                let ratio = hyperbolicTangent(score / qv_splat(softCap))
                score = qv_splat(softCap) * ratio
                slope = slope - ratio * ratio
            }
            let isVisible = visibility(
                queries: positions &+ qv_splat_integer(Int32(truncatingIfNeeded: (place & 1) &* 16)),
                key: key &+ place / 2, window: window32)
            let weight = weightExponential(score - qv_load(logSumExp + lane))
            let gradient = weight * (qv_load(gradients + at) - qv_load(deltas + lane)) * slope
            values[place] = qv_select(isVisible, weight, zero)
            slopes[place] = qv_select(isVisible, gradient, zero)
        }
        storePair(arithmetic, values, slopes, weights, key: key, query: query)
        key &+= 2
    }
    while key < bounds.end {
        let none: InlineArray<4, Lanes> = [zero, zero, zero, zero]
        storePair(arithmetic, none, none, weights, key: key, query: query)
        key &+= 2
    }
}

/// Stores what two keys have with the 32 queries of a strip: first key with the first sixteen, with the second, …
@inline(__always)
private func storePair<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ values: InlineArray<4, Lanes>, _ gradients: InlineArray<4, Lanes>,
    _ weights: BackwardWeights, key: Int, query: Int
) {
    if Arithmetic.unitLength == 1 {
        for place in 0..<4 {
            let at = (key &+ place / 2) &* queryBlock &+ query &+ (place & 1) &* 16
            qv_store(weights.overQueries + at, values[place])
            qv_store(weights.gradientsOverQueries + at, gradients[place])
        }
        return
    }
    for row in 0..<2 {
        let at = ((key &+ row) &* queryBlock &+ query) / 2
        qv_store(weights.overQueries + at, Arithmetic.units(values[2 &* row], values[2 &* row &+ 1]))
        qv_store(
            weights.gradientsOverQueries + at, Arithmetic.units(gradients[2 &* row], gradients[2 &* row &+ 1]))
    }
    for half in 0..<2 {
        qv_store(
            weights.gradientsOverKeys + (key / 2 &* queryBlock &+ query &+ half &* 16),
            Arithmetic.units(of: gradients[half], gradients[half &+ 2]))
    }
}
