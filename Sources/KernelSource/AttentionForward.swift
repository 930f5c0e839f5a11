internal import CIntrinsics

/// Causal attention of one block of query rows, keys block after block with the running maximum and sum of Milakov and
/// Gimelshein ("Online normalizer calculation for softmax", 2018).
///
/// A row's bits depend on that row and on the keys it sees alone: key blocks start at multiples of their size, every
/// row runs over the same blocks in the same order, and a block in which it sees nothing multiplies by 1 and adds 0.
func attentionForward<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_attention_forward>
) {
    let task = task.pointee
    let width = Int(task.head_width)
    let padded = Int(qk_attention_padded_width(task.head_width))
    let rows = Int(task.rows)
    let firstPosition = Int(task.first_position)
    let window = clampedWindow(task.window)

    let queries = task.scratch
    let keys = queries + padded &* queryBlock
    let values = keys + padded &* keyBlock
    let sums = values + padded &* keyBlock
    let scores = sums + padded &* queryBlock
    let maxima = scores + queryBlock &* keyBlock
    let normalizers = maxima + queryBlock
    let factors = normalizers + queryBlock
    let packed = factors + queryBlock

    transposeToBlock(
        arithmetic, task.q, stride: Int(task.q_stride), rows: rows, width: width, factor: task.scale, queries)
    sums.update(repeating: 0, count: padded &* queryBlock)
    normalizers.update(repeating: 0, count: queryBlock)
    maxima.update(repeating: -Float.greatestFiniteMagnitude, count: queryBlock)

    let end = firstPosition &+ rows
    var firstKey = max(0, firstPosition &- window &+ 1) / keyBlock &* keyBlock
    while firstKey < end {
        let keyCount = min(keyBlock, end &- firstKey)
        let diagonal = firstPosition &- firstKey
        copyToBlock(
            arithmetic, task.k + firstKey &* Int(task.k_stride), stride: Int(task.k_stride), rows: keyCount,
            width: width,
            factor: 1, keys, blockRows: keyBlock)
        copyRowsTogether(
            arithmetic, task.v + firstKey &* Int(task.v_stride), stride: Int(task.v_stride), rows: keyCount,
            width: width,
            factor: 1, values, blockRows: keyBlock)
        scoreBlock(
            arithmetic, keys: keys, keyCount: keyCount, queries: queries, queryCount: rows, width: width,
            diagonal: diagonal,
            into: scores)
        var query = 0
        while query < rows {
            weighLanes(
                scores + query, keyCount: keyCount, query: query, diagonal: diagonal, window: window,
                softCap: task.soft_cap, maxima: maxima + query, normalizers: normalizers + query,
                factors: factors + query)
            query &+= 16
        }
        let weights = weightsOverKeys(arithmetic, scores, keyCount: keyCount, queryCount: rows, packed: packed)
        accumulateOverKeys(
            arithmetic, weights: weights, values: values, keyCount: keyCount, queryCount: rows, width: width,
            diagonal: diagonal,
            factors: factors, into: sums)
        firstKey &+= keyBlock
    }

    divideRows(sums, by: normalizers, rows: rows, width: width, task.out, stride: Int(task.out_stride))
    if let logSumExp = task.log_sum_exp {
        forEachVector(Int64(rows)) { at, valid in
            put(qv_load(maxima + at) + logarithm(qv_load(normalizers + at)), logSumExp + at, valid)
        }
    }
}

/// Turns the scores of sixteen queries (lanes) with a block of keys (rows) into weights exp(score - maximum), and
/// brings the running maxima and sums forward; `factors` is what sums made so far must be multiplied with.
@inline(never)
private func weighLanes(
    _ scores: UnsafeMutablePointer<Float>, keyCount: Int, query: Int, diagonal: Int, window: Int, softCap: Float,
    maxima: UnsafeMutablePointer<Float>, normalizers: UnsafeMutablePointer<Float>,
    factors: UnsafeMutablePointer<Float>
) {
    let hidden = qv_splat(-Float.greatestFiniteMagnitude)
    let positions = qv_indices() &+ qv_splat_integer(Int32(truncatingIfNeeded: query &+ diagonal))
    let seesAll = seesWholeBlock(query: query, diagonal: diagonal, keyCount: keyCount, window: window)
    let clamped = Int32(truncatingIfNeeded: window)
    let old = qv_load(maxima)
    var largest = old
    if seesAll && softCap == 0 {
        for key in 0..<keyCount { largest = qv_max(largest, qv_load(scores + key &* queryBlock)) }
    } else {
        for key in 0..<keyCount {
            let place = scores + key &* queryBlock
            var score = qv_load(place)
            if softCap != 0 { score = softCapped(score, cap: qv_splat(softCap)) }
            let isVisible = visibility(queries: positions, key: key, window: clamped)
            score = qv_select(isVisible, score, hidden)
            qv_store(place, score)
            largest = qv_max(largest, score)
        }
    }
    var sum = qv_splat(0)
    if seesAll {
        for key in 0..<keyCount {
            let place = scores + key &* queryBlock
            let weight = exponential(qv_load(place) - largest)
            qv_store(place, weight)
            sum = sum + weight
        }
    } else {
        for key in 0..<keyCount {
            let place = scores + key &* queryBlock
            let isVisible = visibility(queries: positions, key: key, window: clamped)
            let weight = qv_select(isVisible, exponential(qv_load(place) - largest), qv_splat(0))
            qv_store(place, weight)
            sum = sum + weight
        }
    }
    let factor = exponential(old - largest)
    qv_store(factors, factor)
    qv_store(maxima, largest)
    qv_store(normalizers, qv_multiply_add(qv_load(normalizers), factor, sum))
}

/// out = sums, each row divided by its normalizer; sums lie as `copyToBlock` says.
@inline(never)
private func divideRows(
    _ sums: UnsafePointer<Float>, by normalizers: UnsafePointer<Float>, rows: Int, width: Int,
    _ out: UnsafeMutablePointer<Float>, stride: Int
) {
    for row in 0..<rows {
        let normalizer = qv_splat(normalizers[row])
        var column = 0
        while column < width {
            let block = sums + (column &* queryBlock &+ row &* columnBlock)
            let target = out + (row &* stride &+ column)
            forEachVector(Int64(min(columnBlock, width &- column))) { at, valid in
                put(qv_load(block + at) / normalizer, target + at, valid)
            }
            column &+= columnBlock
        }
    }
}
