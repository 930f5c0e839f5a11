internal import CIntrinsics

// Gradients of causal attention for one block of query rows, keys block after block, from the saved log-sum-exp (Dao,
// "FlashAttention-2", 2023, algorithm 2; query blocks outside, so that dQ stays in cache).
//
// dK and dV sum over queries in order; dQ over keys in order.

/// Where attention's backward keeps its blocks in the scratch.
private typealias BackwardBlocks = (
    queriesAcross: UnsafeMutablePointer<Float>, queries: UnsafeMutablePointer<Float>,
    outputsAcross: UnsafeMutablePointer<Float>, outputs: UnsafeMutablePointer<Float>, dQ: UnsafeMutablePointer<Float>,
    scores: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>, packed: UnsafeMutablePointer<Float>,
    logSumExp: UnsafeMutablePointer<Float>, deltas: UnsafeMutablePointer<Float>
)

@inline(__always)
private func backwardBlocks(_ task: qk_attention_backward) -> BackwardBlocks {
    let queries = Int(qk_attention_padded_width(task.head_width)) &* queryBlock
    let scores = task.scratch + 5 &* queries
    let gradients = scores + queryBlock &* keyBlock
    let packed = gradients + queryBlock &* keyBlock
    let statistics = packed + 3 &* queryBlock &* keyBlock / 2
    return (
        task.scratch, task.scratch + queries, task.scratch + 2 &* queries, task.scratch + 3 &* queries,
        task.scratch + 4 &* queries, scores, gradients, packed, statistics, statistics + queryBlock
    )
}

/// Where the weights of a block of keys are kept as operands.
@inline(__always)
private func backwardWeights<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ blocks: BackwardBlocks
) -> BackwardWeights {
    if Arithmetic.unitLength == 1 { return (blocks.scores, blocks.gradients, blocks.gradients) }
    let count = queryBlock &* keyBlock / 2
    return (blocks.packed, blocks.packed + count, blocks.packed + 2 &* count)
}

func beginAttentionBackward<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_attention_backward>
) {
    let task = task.pointee
    let blocks = backwardBlocks(task)
    let (rows, width) = (Int(task.rows), Int(task.head_width))
    transposeToBlock(
        arithmetic, task.q, stride: Int(task.q_stride), rows: rows, width: width, factor: task.scale,
        blocks.queriesAcross)
    transposeToBlock(
        arithmetic, task.d_out, stride: Int(task.d_out_stride), rows: rows, width: width, factor: 1,
        blocks.outputsAcross)
    copyRowsTogether(
        arithmetic, task.q, stride: Int(task.q_stride), rows: rows, width: width, factor: task.scale, blocks.queries,
        blockRows: queryBlock)
    copyRowsTogether(
        arithmetic, task.d_out, stride: Int(task.d_out_stride), rows: rows, width: width, factor: 1, blocks.outputs,
        blockRows: queryBlock)
    blocks.logSumExp.update(repeating: 0, count: queryBlock)
    blocks.logSumExp.update(from: task.log_sum_exp, count: rows)
    blocks.deltas.update(repeating: 0, count: queryBlock)
    for row in 0..<rows {
        blocks.deltas[row] = dotProduct(
            task.d_out + row &* Int(task.d_out_stride), task.out + row &* Int(task.out_stride), width)
    }
}

func attentionBackwardKeys<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_attention_backward>, _ firstKey: Int64,
    _ packed: UnsafePointer<Float>
) {
    let task = task.pointee
    let blocks = backwardBlocks(task)
    let (rows, width) = (Int(task.rows), Int(task.head_width))
    let diagonal = Int(task.first_position &- firstKey)
    let keyCount = min(keyBlock, rows &+ diagonal)
    let block = Int(qk_attention_padded_width(task.head_width)) &* keyBlock
    let values = packed + block / Arithmetic.unitLength
    // Units of one element lie the same for both reductions.
    let keysTogether = Arithmetic.unitLength == 1 ? packed : packed + 2 &* block / Arithmetic.unitLength
    let weights = backwardWeights(arithmetic, blocks)
    let window = clampedWindow(task.window)
    let nextQuery = task.q + Int(task.next_row &* task.q_stride &+ task.next_column)
    let nextOut = task.out + Int(task.next_row &* task.out_stride &+ task.next_column)
    let nextDOut = task.d_out + Int(task.next_row &* task.d_out_stride &+ task.next_column)
    var (fetched, ofTile) = rowsToFetch(
        firstPosition: Int(task.first_position), rows: rows, firstKey: Int(firstKey), window: window)
    var strip = 0
    while strip < rows {
        scoreStrip(
            arithmetic, keys: packed, keyCount: keyCount, queries: blocks.queriesAcross, query: strip, width: width,
            diagonal: diagonal, into: blocks.scores
        ) {
            for row in fetched..<fetched &+ ofTile {
                if row < rows { fetchRow(task.d_q, stride: task.d_q_stride, row: row, width: width) }
                if row < Int(task.next_count) {
                    fetchRow(nextQuery, stride: task.q_stride, row: row, width: width)
                    fetchRow(nextDOut, stride: task.d_out_stride, row: row, width: width)
                    fetchRow(nextOut, stride: task.out_stride, row: row, width: width)
                }
            }
            fetched &+= ofTile
        }
        scoreStrip(
            arithmetic, keys: values, keyCount: keyCount, queries: blocks.outputsAcross, query: strip, width: width,
            diagonal: diagonal, into: blocks.gradients
        ) {}
        differentiateStrip(
            arithmetic, blocks.scores, blocks.gradients, keyCount: keyCount, query: strip, diagonal: diagonal,
            window: window, softCap: task.soft_cap, logSumExp: blocks.logSumExp,
            deltas: blocks.deltas, weights: weights)
        strip &+= queryStrip
    }
    accumulateOverKeys(
        arithmetic, weights: weights.gradientsOverKeys, values: keysTogether, keyCount: keyCount, queryCount: rows,
        width: width, diagonal: diagonal, factors: nil,
        adding: Int(firstKey) != firstKeyOfTurn(firstPosition: Int(task.first_position), window: window),
        into: blocks.dQ)
}

/// Adds what the rows contribute to dK and dV of the block of keys that `attentionBackwardKeys` has just done.
func addAttentionSums<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_attention_backward>, _ firstKey: Int64,
    _ sums: UnsafeMutablePointer<Float>, _ begins: Int32
) {
    let task = task.pointee
    let blocks = backwardBlocks(task)
    let (rows, width) = (Int(task.rows), Int(task.head_width))
    let diagonal = Int(task.first_position &- firstKey)
    let keyCount = min(keyBlock, rows &+ diagonal)
    let weights = backwardWeights(arithmetic, blocks)
    accumulateOverQueries(
        arithmetic, weights: weights.gradientsOverQueries, rows: blocks.queries, keyCount: keyCount, queryCount: rows,
        width: width, diagonal: diagonal, adding: begins == 0, into: sums)
    accumulateOverQueries(
        arithmetic, weights: weights.overQueries, rows: blocks.outputs, keyCount: keyCount, queryCount: rows,
        width: width, diagonal: diagonal, adding: begins == 0,
        into: sums + Int(qk_attention_padded_width(task.head_width)) &* keyBlock)
}

func endAttentionBackward(_ task: UnsafePointer<qk_attention_backward>) {
    let task = task.pointee
    copyFromBlock(
        backwardBlocks(task).dQ, blockRows: queryBlock, rows: Int(task.rows), width: Int(task.head_width),
        factor: task.scale, task.d_q, stride: Int(task.d_q_stride))
}

/// See `attention_unpack_sums` of the table.
func unpackAttentionSums(
    _ sums: UnsafePointer<Float>, _ rows: Int64, _ width: Int64, _ dK: UnsafeMutablePointer<Float>, _ dKStride: Int64,
    _ dV: UnsafeMutablePointer<Float>, _ dVStride: Int64
) {
    let block = Int(qk_attention_padded_width(width)) &* keyBlock
    copyFromBlock(
        sums, blockRows: keyBlock, rows: Int(rows), width: Int(width), factor: 1, dK, stride: Int(dKStride))
    copyFromBlock(
        sums + block, blockRows: keyBlock, rows: Int(rows), width: Int(width), factor: 1, dV, stride: Int(dVStride))
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
