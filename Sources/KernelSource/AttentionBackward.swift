internal import CIntrinsics

/// Gradients of causal attention for one sequence and the query heads that share a key/value head, from the saved
/// log-sum-exp (Dao, "FlashAttention-2", 2023, algorithm 2; query blocks outside, so that dQ stays in cache).
///
/// dK and dV sum over heads in order, and within a head over queries in order; dQ over keys in order.
func attentionBackward(_ task: UnsafePointer<qk_attention_backward>) {
    let task = task.pointee
    let width = Int(task.head_width)
    let padded = Int(qk_attention_padded_width(task.head_width))
    let rows = Int(task.rows)
    let paddedRows = (rows &+ keyBlock &- 1) / keyBlock &* keyBlock
    let window = clampedWindow(task.window)

    let queriesAcross = task.scratch
    let queries = queriesAcross + padded &* queryBlock
    let outputsAcross = queries + padded &* queryBlock
    let outputs = outputsAcross + padded &* queryBlock
    let dQ = outputs + padded &* queryBlock
    let keys = dQ + padded &* queryBlock
    let values = keys + padded &* keyBlock
    let weights = values + padded &* keyBlock
    let gradients = weights + queryBlock &* keyBlock
    let logSumExp = gradients + queryBlock &* keyBlock
    let deltas = logSumExp + queryBlock
    let dK = deltas + queryBlock
    let dV = dK + padded &* paddedRows
    dK.update(repeating: 0, count: 2 &* padded &* paddedRows)

    for head in 0..<Int(task.heads) {
        var firstQuery = 0
        while firstQuery < rows {
            let count = min(queryBlock, rows &- firstQuery)
            let q = task.q + (firstQuery &* Int(task.q_stride) &+ head &* width)
            let dOut = task.d_out + (firstQuery &* Int(task.d_out_stride) &+ head &* width)
            let out = task.out + (firstQuery &* Int(task.out_stride) &+ head &* width)
            transposeToBlock(
                q, stride: Int(task.q_stride), rows: count, width: width, factor: task.scale, queriesAcross)
            transposeToBlock(
                dOut, stride: Int(task.d_out_stride), rows: count, width: width, factor: 1, outputsAcross)
            copyToBlock(
                q, stride: Int(task.q_stride), rows: count, width: width, factor: task.scale, queries,
                blockRows: queryBlock)
            copyToBlock(
                dOut, stride: Int(task.d_out_stride), rows: count, width: width, factor: 1, outputs,
                blockRows: queryBlock)
            let saved = task.log_sum_exp + (head &* Int(task.log_sum_exp_stride) &+ firstQuery)
            logSumExp.update(repeating: 0, count: queryBlock)
            logSumExp.update(from: saved, count: count)
            deltas.update(repeating: 0, count: queryBlock)
            for row in 0..<count {
                deltas[row] = dotProduct(
                    dOut + row &* Int(task.d_out_stride), out + row &* Int(task.out_stride), width)
            }
            dQ.update(repeating: 0, count: padded &* queryBlock)

            var firstKey = max(0, firstQuery &- window &+ 1) / keyBlock &* keyBlock
            while firstKey < firstQuery &+ count {
                let keyCount = min(keyBlock, firstQuery &+ count &- firstKey)
                let diagonal = firstQuery &- firstKey
                copyToBlock(
                    task.k + firstKey &* Int(task.k_stride), stride: Int(task.k_stride), rows: keyCount, width: width,
                    factor: 1, keys, blockRows: keyBlock)
                copyToBlock(
                    task.v + firstKey &* Int(task.v_stride), stride: Int(task.v_stride), rows: keyCount, width: width,
                    factor: 1, values, blockRows: keyBlock)
                scoreBlock(
                    keys: keys, keyCount: keyCount, queries: queriesAcross, queryCount: count, width: width,
                    diagonal: diagonal, into: weights)
                scoreBlock(
                    keys: values, keyCount: keyCount, queries: outputsAcross, queryCount: count, width: width,
                    diagonal: diagonal, into: gradients)
                var query = 0
                while query < count {
                    differentiateLanes(
                        weights + query, gradients + query, keyCount: keyCount, query: query, diagonal: diagonal,
                        window: window, softCap: task.soft_cap, logSumExp: logSumExp + query, deltas: deltas + query)
                    query &+= 16
                }
                accumulateOverKeys(
                    weights: gradients, values: keys, keyCount: keyCount, queryCount: count, width: width,
                    diagonal: diagonal, factors: nil, into: dQ)
                accumulateOverQueries(
                    weights: gradients, rows: queries, keyCount: keyCount, queryCount: count, width: width,
                    diagonal: diagonal, into: dK + firstKey &* columnBlock, sumRows: paddedRows)
                accumulateOverQueries(
                    weights: weights, rows: outputs, keyCount: keyCount, queryCount: count, width: width,
                    diagonal: diagonal, into: dV + firstKey &* columnBlock, sumRows: paddedRows)
                firstKey &+= keyBlock
            }
            copyFromBlock(
                dQ, blockRows: queryBlock, rows: count, width: width, factor: task.scale,
                task.d_q + (firstQuery &* Int(task.d_q_stride) &+ head &* width), stride: Int(task.d_q_stride))
            firstQuery &+= queryBlock
        }
    }
    copyFromBlock(
        dK, blockRows: paddedRows, rows: rows, width: width, factor: 1, task.d_k, stride: Int(task.d_k_stride))
    copyFromBlock(
        dV, blockRows: paddedRows, rows: rows, width: width, factor: 1, task.d_v, stride: Int(task.d_v_stride))
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
