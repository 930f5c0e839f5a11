internal import CIntrinsics

// Causal attention of one block of query rows, keys block after block with the running maximum and sum of Milakov and
// Gimelshein ("Online normalizer calculation for softmax", 2018).
//
// A row's bits depend on that row and on the keys it sees alone: key blocks start at multiples of their size, every row
// runs over the same blocks in the same order, and a block in which it sees nothing multiplies by 1 and adds 0.

/// Where attention's forward keeps its blocks in the scratch.
private typealias ForwardBlocks = (
    queries: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>, scores: UnsafeMutablePointer<Float>,
    packed: UnsafeMutablePointer<Float>, maxima: UnsafeMutablePointer<Float>,
    normalizers: UnsafeMutablePointer<Float>, factors: UnsafeMutablePointer<Float>
)

@inline(__always)
private func forwardBlocks(_ task: qk_attention_forward) -> ForwardBlocks {
    let queries = Int(qk_attention_padded_width(task.head_width)) &* queryBlock
    let scores = task.scratch + 2 &* queries
    let packed = scores + queryBlock &* keyBlock
    let statistics = packed + queryBlock &* keyBlock / 2
    return (
        task.scratch, task.scratch + queries, scores, packed, statistics, statistics + queryBlock,
        statistics + 2 &* queryBlock
    )
}

/// Keys and values as the right operands of the products: K [keys, width / unit], then V [keys / unit, width]; for the
/// backward V as K is, and behind it, where a unit has more than one element, K as V is here.
func packAttentionKeys<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ keys: UnsafePointer<qk_attention_keys>
) {
    let keys = keys.pointee
    let (rows, width) = (Int(keys.rows), Int(keys.head_width))
    let block = Int(qk_attention_padded_width(keys.head_width)) &* keyBlock / Arithmetic.unitLength
    copyToBlock(
        arithmetic, keys.k, stride: Int(keys.k_stride), rows: rows, width: width, factor: 1, keys.packed,
        blockRows: keyBlock)
    if keys.backward == 0 {
        return copyRowsTogether(
            arithmetic, keys.v, stride: Int(keys.v_stride), rows: rows, width: width, factor: 1, keys.packed + block,
            blockRows: keyBlock)
    }
    copyToBlock(
        arithmetic, keys.v, stride: Int(keys.v_stride), rows: rows, width: width, factor: 1, keys.packed + block,
        blockRows: keyBlock)
    guard Arithmetic.unitLength > 1 else { return }
    copyRowsTogether(
        arithmetic, keys.k, stride: Int(keys.k_stride), rows: rows, width: width, factor: 1, keys.packed + 2 &* block,
        blockRows: keyBlock)
}

func beginAttentionForward<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_attention_forward>
) {
    let task = task.pointee
    let blocks = forwardBlocks(task)
    transposeToBlock(
        arithmetic, task.q, stride: Int(task.q_stride), rows: Int(task.rows), width: Int(task.head_width),
        factor: task.scale, blocks.queries)
    blocks.normalizers.update(repeating: 0, count: queryBlock)
    blocks.maxima.update(repeating: -Float.greatestFiniteMagnitude, count: queryBlock)
}

func attentionForwardKeys<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_attention_forward>, _ firstKey: Int64,
    _ packed: UnsafePointer<Float>
) {
    let task = task.pointee
    let blocks = forwardBlocks(task)
    let (rows, width) = (Int(task.rows), Int(task.head_width))
    let diagonal = Int(task.first_position &- firstKey)
    let keyCount = min(keyBlock, rows &+ diagonal)
    let values = packed + Int(qk_attention_padded_width(task.head_width)) &* keyBlock / Arithmetic.unitLength
    let weights = Arithmetic.unitLength == 1 ? blocks.scores : blocks.packed
    let window = clampedWindow(task.window)
    let next = task.q + Int(task.next_row &* task.q_stride &+ task.next_column)
    var (fetched, ofTile) = rowsToFetch(
        firstPosition: Int(task.first_position), rows: rows, firstKey: Int(firstKey), window: window)
    var strip = 0
    while strip < rows {
        scoreStrip(
            arithmetic, keys: packed, keyCount: keyCount, queries: blocks.queries, query: strip, width: width,
            diagonal: diagonal, into: blocks.scores
        ) {
            for row in fetched..<fetched &+ ofTile {
                if row < rows { fetchRow(task.out, stride: task.out_stride, row: row, width: width) }
                if row < Int(task.next_count) { fetchRow(next, stride: task.q_stride, row: row, width: width) }
            }
            fetched &+= ofTile
        }
        var query = strip
        while query < strip &+ queryStrip {
            weighLanes(
                arithmetic, blocks.scores + query, keyCount: keyCount, query: query, diagonal: diagonal,
                window: window, softCap: task.soft_cap, maxima: blocks.maxima + query,
                normalizers: blocks.normalizers + query, factors: blocks.factors + query, weights: weights + query)
            query &+= 16
        }
        strip &+= queryStrip
    }
    accumulateOverKeys(
        arithmetic, weights: weights, values: values, keyCount: keyCount, queryCount: rows, width: width,
        diagonal: diagonal, factors: blocks.factors,
        adding: Int(firstKey) != firstKeyOfTurn(firstPosition: Int(task.first_position), window: window),
        into: blocks.sums)
}

/// out = sums, each row divided by its normalizer, and the logarithms of the sums of exponentials.
func endAttentionForward(_ task: UnsafePointer<qk_attention_forward>) {
    let task = task.pointee
    let blocks = forwardBlocks(task)
    let (rows, width) = (Int(task.rows), Int(task.head_width))
    for row in 0..<rows {
        let factor = qv_splat(1 / blocks.normalizers[row])
        var column = 0
        while column < width {
            let block = blocks.sums + (column &* queryBlock &+ row &* columnBlock)
            let target = task.out + (row &* Int(task.out_stride) &+ column)
            forEachVector(Int64(min(columnBlock, width &- column))) { at, valid in
                put(qv_load(block + at) * factor, target + at, valid)
            }
            column &+= columnBlock
        }
    }
    if let logSumExp = task.log_sum_exp {
        forEachVector(Int64(rows)) { at, valid in
            put(
                qv_load(blocks.maxima + at) + logarithm(qv_load(blocks.normalizers + at)), logSumExp + at, valid)
        }
    }
}
