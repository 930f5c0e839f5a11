internal import CIntrinsics

/// Where attention's backward keeps its blocks in the scratch.
private typealias BackwardBlocks = (
    queriesAcross: UnsafeMutablePointer<Float>, queries: UnsafeMutablePointer<Float>,
    outputsAcross: UnsafeMutablePointer<Float>, outputs: UnsafeMutablePointer<Float>, dQ: UnsafeMutablePointer<Float>,
    keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>,
    gradients: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
    deltas: UnsafeMutablePointer<Float>, packed: UnsafeMutablePointer<Float>, dK: UnsafeMutablePointer<Float>,
    dV: UnsafeMutablePointer<Float>
)

/// Key rows that the queries of a task see, from the first of their block on; dK and dV are blocks of `paddedRows` rows.
@inline(__always)
private func keyRange(_ task: qk_attention_backward) -> (first: Int, end: Int, paddedRows: Int) {
    let end = Int(task.first_query &+ task.query_count)
    let first = max(0, Int(task.first_query) &- clampedWindow(task.window) &+ 1) / keyBlock &* keyBlock
    return (first, end, (end &+ keyBlock &- 1) / keyBlock &* keyBlock)
}

@inline(__always)
private func backwardBlocks(_ task: qk_attention_backward) -> BackwardBlocks {
    let padded = Int(qk_attention_padded_width(task.head_width))
    let queries = padded &* queryBlock
    let keys = task.scratch + 5 &* queries
    let weights = keys + 2 &* padded &* keyBlock
    let statistics = weights + 2 &* queryBlock &* keyBlock
    let packed = statistics + 2 &* queryBlock
    let dK = packed + queryBlock &* keyBlock / 2
    return (
        task.scratch, task.scratch + queries, task.scratch + 2 &* queries, task.scratch + 3 &* queries,
        task.scratch + 4 &* queries, keys, keys + padded &* keyBlock, weights, weights + queryBlock &* keyBlock,
        statistics, statistics + queryBlock, packed, dK, dK + padded &* keyRange(task).paddedRows
    )
}

/// Gradients of causal attention for some query rows of one sequence and one head, from the saved log-sum-exp (Dao,
/// "FlashAttention-2", 2023, algorithm 2; query blocks outside, so that dQ stays in cache).
///
/// dK and dV sum over queries in order; dQ over keys in order.
func attentionBackward<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_attention_backward>
) {
    let task = task.pointee
    let width = Int(task.head_width)
    let padded = Int(qk_attention_padded_width(task.head_width))
    let window = clampedWindow(task.window)
    let blocks = backwardBlocks(task)
    let range = keyRange(task)
    clearRows(blocks.dK, range.first, range.paddedRows, padded: padded)
    clearRows(blocks.dV, range.first, range.paddedRows, padded: padded)

    var firstQuery = Int(task.first_query)
    while firstQuery < range.end {
        let count = min(queryBlock, range.end &- firstQuery)
        let q = task.q + firstQuery &* Int(task.q_stride)
        let dOut = task.d_out + firstQuery &* Int(task.d_out_stride)
        let out = task.out + firstQuery &* Int(task.out_stride)
        transposeToBlock(
            arithmetic, q, stride: Int(task.q_stride), rows: count, width: width, factor: task.scale,
            blocks.queriesAcross)
        transposeToBlock(
            arithmetic, dOut, stride: Int(task.d_out_stride), rows: count, width: width, factor: 1, blocks.outputsAcross
        )
        copyRowsTogether(
            arithmetic, q, stride: Int(task.q_stride), rows: count, width: width, factor: task.scale, blocks.queries,
            blockRows: queryBlock)
        copyRowsTogether(
            arithmetic, dOut, stride: Int(task.d_out_stride), rows: count, width: width, factor: 1, blocks.outputs,
            blockRows: queryBlock)
        blocks.logSumExp.update(repeating: 0, count: queryBlock)
        blocks.logSumExp.update(from: task.log_sum_exp + firstQuery, count: count)
        blocks.deltas.update(repeating: 0, count: queryBlock)
        for row in 0..<count {
            blocks.deltas[row] = dotProduct(
                dOut + row &* Int(task.d_out_stride), out + row &* Int(task.out_stride), width)
        }
        blocks.dQ.update(repeating: 0, count: padded &* queryBlock)

        var firstKey = max(0, firstQuery &- window &+ 1) / keyBlock &* keyBlock
        while firstKey < firstQuery &+ count {
            let keyCount = min(keyBlock, firstQuery &+ count &- firstKey)
            let diagonal = firstQuery &- firstKey
            let k = task.k + firstKey &* Int(task.k_stride)
            copyToBlock(
                arithmetic, k, stride: Int(task.k_stride), rows: keyCount, width: width, factor: 1, blocks.keys,
                blockRows: keyBlock)
            // Units of one element lie the same for both reductions; those of more leave half of the block free.
            var keysTogether = blocks.keys
            if Arithmetic.unitLength > 1 {
                keysTogether += padded &* keyBlock / 2
                copyRowsTogether(
                    arithmetic, k, stride: Int(task.k_stride), rows: keyCount, width: width, factor: 1, keysTogether,
                    blockRows: keyBlock)
            }
            copyToBlock(
                arithmetic, task.v + firstKey &* Int(task.v_stride), stride: Int(task.v_stride), rows: keyCount,
                width: width,
                factor: 1, blocks.values, blockRows: keyBlock)
            scoreBlock(
                arithmetic, keys: blocks.keys, keyCount: keyCount, queries: blocks.queriesAcross, queryCount: count,
                width: width,
                diagonal: diagonal, into: blocks.weights)
            scoreBlock(
                arithmetic, keys: blocks.values, keyCount: keyCount, queries: blocks.outputsAcross, queryCount: count,
                width: width, diagonal: diagonal, into: blocks.gradients)
            var query = 0
            while query < count {
                differentiateLanes(
                    blocks.weights + query, blocks.gradients + query, keyCount: keyCount, query: query,
                    diagonal: diagonal, window: window, softCap: task.soft_cap, logSumExp: blocks.logSumExp + query,
                    deltas: blocks.deltas + query)
                query &+= 16
            }
            accumulateOverKeys(
                arithmetic,
                weights: weightsOverKeys(
                    arithmetic, blocks.gradients, keyCount: keyCount, queryCount: count, packed: blocks.packed),
                values: keysTogether, keyCount: keyCount, queryCount: count, width: width, diagonal: diagonal,
                factors: nil, into: blocks.dQ)
            accumulateOverQueries(
                arithmetic,
                weights: weightsOverQueries(
                    arithmetic, blocks.gradients, keyCount: keyCount, queryCount: count, packed: blocks.packed),
                rows: blocks.queries, keyCount: keyCount, queryCount: count, width: width, diagonal: diagonal,
                into: blocks.dK + firstKey &* columnBlock, sumRows: range.paddedRows)
            accumulateOverQueries(
                arithmetic,
                weights: weightsOverQueries(
                    arithmetic, blocks.weights, keyCount: keyCount, queryCount: count, packed: blocks.packed),
                rows: blocks.outputs, keyCount: keyCount, queryCount: count, width: width, diagonal: diagonal,
                into: blocks.dV + firstKey &* columnBlock, sumRows: range.paddedRows)
            firstKey &+= keyBlock
        }
        copyFromBlock(
            blocks.dQ, blockRows: queryBlock, rows: count, width: width, factor: task.scale,
            task.d_q + firstQuery &* Int(task.d_q_stride), stride: Int(task.d_q_stride))
        firstQuery &+= queryBlock
    }
}

/// Sets rows of a block from the first on to zero.
@inline(__always)
private func clearRows(_ block: UnsafeMutablePointer<Float>, _ first: Int, _ rows: Int, padded: Int) {
    var column = 0
    while column < padded {
        (block + (column &* rows &+ first &* columnBlock)).update(repeating: 0, count: (rows &- first) &* columnBlock)
        column &+= columnBlock
    }
}

/// See `attention_add_gradients` of the table.
func addAttentionGradients(_ task: UnsafePointer<qk_attention_backward>, _ isFirst: Int32) {
    let task = task.pointee
    let blocks = backwardBlocks(task)
    handOver(task, blocks.dK, isFirst: isFirst != 0, task.d_k, stride: Int(task.d_k_stride))
    handOver(task, blocks.dV, isFirst: isFirst != 0, task.d_v, stride: Int(task.d_v_stride))
}

/// Brings the sums of a task to the gradient of the sequence.
@inline(__always)
private func handOver(
    _ task: qk_attention_backward, _ block: UnsafeMutablePointer<Float>, isFirst: Bool,
    _ target: UnsafeMutablePointer<Float>, stride: Int
) {
    let width = Int(task.head_width)
    let range = keyRange(task)
    let sums = block + range.first &* columnBlock
    let rows = range.end &- range.first
    let place = target + range.first &* stride
    guard isFirst else {
        return addFromBlock(sums, blockRows: range.paddedRows, rows: rows, width: width, place, stride: stride)
    }
    for row in 0..<range.first { (target + row &* stride).update(repeating: 0, count: width) }
    copyFromBlock(sums, blockRows: range.paddedRows, rows: rows, width: width, factor: 1, place, stride: stride)
}

/// From scores and dP of sixteen queries (lanes) with a block of keys (rows): the probabilities, in place of the
/// scores, and the gradients of the scores before the cap, p * (dP - delta), in place of dP.
@inline(never)
private func differentiateLanes(
    _ weights: UnsafeMutablePointer<Float>, _ gradients: UnsafeMutablePointer<Float>, keyCount: Int, query: Int,
    diagonal: Int, window: Int, softCap: Float, logSumExp: UnsafePointer<Float>, deltas: UnsafePointer<Float>
) {
    let positions = qv_indices() &+ qv_splat_integer(Int32(truncatingIfNeeded: query &+ diagonal))
    let clamped = Int32(truncatingIfNeeded: window)
    let offset = qv_load(logSumExp)
    let delta = qv_load(deltas)
    if softCap == 0 && seesWholeBlock(query: query, diagonal: diagonal, keyCount: keyCount, window: window) {
        for key in 0..<keyCount {
            let at = key &* queryBlock
            let weight = exponential(qv_load(weights + at) - offset)
            qv_store(weights + at, weight)
            qv_store(gradients + at, weight * (qv_load(gradients + at) - delta))
        }
        return
    }
    for key in 0..<keyCount {
        let at = key &* queryBlock
        var score = qv_load(weights + at)
        var slope = qv_splat(1)
        if softCap != 0 {
            let ratio = hyperbolicTangent(score / qv_splat(softCap))
            score = qv_splat(softCap) * ratio
            slope = slope - ratio * ratio
        }
        let isVisible = visibility(queries: positions, key: key, window: clamped)
        let weight = qv_select(isVisible, exponential(score - offset), qv_splat(0))
        let gradient = weight * (qv_load(gradients + at) - delta) * slope
        qv_store(weights + at, weight)
        qv_store(gradients + at, qv_select(isVisible, gradient, qv_splat(0)))
    }
}

/// The dot product of two rows, in one fixed order.
@inline(never)
private func dotProduct(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int) -> Float {
    var sum = qv_splat(0)
    forEachVector(Int64(count)) { at, valid in
        sum = qv_multiply_add(lanes(x + at, valid), lanes(y + at, valid), sum)
    }
    return qv_sum(sum)
}
