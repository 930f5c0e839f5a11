internal import CIntrinsics
internal import CSystem
internal import Glibc
internal import Synchronization
package import Tensors

extension ComputeContext {
    /// out = softmax(scale * q kᵀ) v, causal inside each segment; memory linear in the length of a segment.
    ///
    /// Where the context computes in bfloat16, scaled queries, keys, values, probabilities and, in the backward, their
    /// gradients are rounded to it as operands of products; scores, softmax and sums are float32.
    ///
    /// Rows of `out` that no segment covers stay as they are. A segment's results depend on its rows alone, a row's on
    /// the rows it sees.
    ///
    /// - Parameters:
    ///   - q: [M, H * D]; `out` likewise.
    ///   - k: [M, K * D]; `v` likewise.
    ///   - logSumExp: [H, M], ln of the sum of exponentials of each row's scores, for the backward; or nil.
    ///   - scratch: at least `attentionForwardScratchByteCount`.
    package func attentionForward(
        q: FloatMatrix, k: FloatMatrix, v: FloatMatrix, segments: UnsafeBufferPointer<Segment>, shape: AttentionShape,
        into out: FloatMatrix, logSumExp: UnsafeMutablePointer<Float>?, scratch: UnsafeMutableRawBufferPointer
    ) {
        requireColumns(shape, queries: [q, out], keyValues: [k, v])
        requireRows(segments, in: q, k, v, out)
        let block = queryRows(segments.map { Int($0.count) }, heads: shape.queryHeads)
        nonisolated(unsafe) let (segments, logSumExp) = (segments, logSumExp)  // tasks write disjoint rows
        let table = kernels.elementwise
        let blocks = segments.reduce(0) { $0 + (Int($1.count) + block - 1) / block }
        forEachTask(
            "attention, forward", blocks * shape.queryHeads, scratch: scratch,
            byteCount: attentionForwardPieceByteCount(shape)
        ) { task, scratch in
            // The longest blocks, the last of a segment, come first: they would otherwise be what everybody waits for.
            var remaining = blocks - 1 - task / shape.queryHeads
            let head = task % shape.queryHeads
            for segment in segments {
                let (start, count) = (Int(segment.start), Int(segment.count))
                let own = (count + block - 1) / block
                guard remaining < own else {
                    remaining -= own
                    continue
                }
                let row = start + remaining * block
                let column = head / shape.groupSize * shape.headWidth
                var parameters = qk_attention_forward(
                    q: q.row(row) + head * shape.headWidth, k: k.row(start) + column, v: v.row(start) + column,
                    out: out.row(row) + head * shape.headWidth,
                    log_sum_exp: logSumExp.map { $0 + (head * q.rows + row) }, q_stride: Int64(q.stride),
                    k_stride: Int64(k.stride), v_stride: Int64(v.stride), out_stride: Int64(out.stride),
                    rows: Int64(min(block, count - remaining * block)), first_position: Int64(remaining * block),
                    head_width: Int64(shape.headWidth), window: shape.windowOrEnd, scale: shape.scale,
                    soft_cap: shape.softCapOrZero, bfloat16: computeType == .bfloat16 ? 1 : 0,
                    scratch: scratch.assumingMemoryBound(to: Float.self))
                table.attention_forward(&parameters)
                return
            }
        }
    }

    /// The gradients of `attentionForward`, overwriting dQ, dK and dV in the rows that segments cover.
    ///
    /// Tasks are query rows of one head; what they contribute to dK and dV is added up in an order that depends on the
    /// segment's length and the heads alone, each task waiting for its turn.
    ///
    /// - Parameters:
    ///   - dOut: [M, H * D]; `out` and `dQ` likewise; dK and dV as k and v.
    ///   - logSumExp: [H, M], from the forward.
    ///   - scratch: at least `attentionBackwardScratchByteCount` for the longest segment.
    package func attentionBackward(
        _ dOut: FloatMatrix, q: FloatMatrix, k: FloatMatrix, v: FloatMatrix, out: FloatMatrix,
        logSumExp: UnsafePointer<Float>, segments: UnsafeBufferPointer<Segment>, shape: AttentionShape,
        into dQ: FloatMatrix, _ dK: FloatMatrix, _ dV: FloatMatrix, scratch: UnsafeMutableRawBufferPointer
    ) {
        requireColumns(shape, queries: [dOut, q, out, dQ], keyValues: [k, v, dK, dV])
        requireRows(segments, in: dOut, q, k, v, out, dQ, dK, dV)
        let longest = segments.reduce(0) { max($0, Int($1.count)) }
        let cuts = segments.map { BackwardCut(rows: Int($0.count), shape: shape) }
        let turns = Turns(count: segments.count * shape.keyValueHeads)
        nonisolated(unsafe) let (segments, logSumExp) = (segments, logSumExp)  // tasks write disjoint rows and columns
        let table = kernels.elementwise
        let piece = attentionBackwardPieceByteCount(shape, longestSegment: longest)
        forEachTask(
            "attention, backward", cuts.reduce(0) { $0 + $1.taskCount }, scratch: scratch, byteCount: piece
        ) { task, scratch in
            var place = task
            var index = 0
            while place >= cuts[index].taskCount {
                place -= cuts[index].taskCount
                index += 1
            }
            let (cut, row) = (cuts[index], Int(segments[index].start))
            let (turn, keyHead) = place.quotientAndRemainder(dividingBy: shape.keyValueHeads)
            let head = keyHead * shape.groupSize + turn % shape.groupSize
            let queries = cut.queries(turn / shape.groupSize)
            let column = keyHead * shape.headWidth
            let queryColumn = head * shape.headWidth
            var parameters = qk_attention_backward(
                q: q.row(row) + queryColumn, k: k.row(row) + column, v: v.row(row) + column,
                out: out.row(row) + queryColumn, d_out: dOut.row(row) + queryColumn,
                log_sum_exp: logSumExp + (head * q.rows + row), d_q: dQ.row(row) + queryColumn,
                d_k: dK.row(row) + column, d_v: dV.row(row) + column, q_stride: Int64(q.stride),
                k_stride: Int64(k.stride), v_stride: Int64(v.stride), out_stride: Int64(out.stride),
                d_out_stride: Int64(dOut.stride), d_q_stride: Int64(dQ.stride), d_k_stride: Int64(dK.stride),
                d_v_stride: Int64(dV.stride), first_query: Int64(queries.lowerBound),
                query_count: Int64(queries.count), head_width: Int64(shape.headWidth), window: shape.windowOrEnd,
                scale: shape.scale, soft_cap: shape.softCapOrZero, bfloat16: computeType == .bfloat16 ? 1 : 0,
                scratch: scratch.assumingMemoryBound(to: Float.self))
            table.attention_backward(&parameters)
            turns.take(turn, of: index * shape.keyValueHeads + keyHead) {
                table.attention_add_gradients(&parameters, turn == 0 ? 1 : 0)
            }
        }
    }
}

/// Tasks that a region is cut into where its rows allow it: enough for sixteen threads to end together.
private let wantedTasks = 64

/// Query rows of a task for segments of some lengths: a block of the kernels, or fewer (whole tiles still) where blocks are
/// too few tasks.
private func queryRows(_ lengths: [Int], heads: Int) -> Int {
    let block = Int(QK_ATTENTION_QUERIES)
    let tasks = heads * lengths.reduce(0) { $0 + ($1 + block - 1) / block }
    return tasks < wantedTasks ? block * 2 / 3 : block
}

/// How the backward of one segment is cut: ranges of whole query blocks, the last range first, so that the first task
/// covers every key; for each range all heads.
private struct BackwardCut: Sendable {
    private let rows: Int
    private let rangeRows: Int
    private let rangeCount: Int
    let taskCount: Int

    /// Few ranges beyond the wanted tasks: each passes over its part of dK and dV once more.
    init(rows: Int, shape: AttentionShape) {
        let block = queryRows([rows], heads: shape.queryHeads)
        let blocks = (rows + block - 1) / block
        let wanted = (wantedTasks + shape.queryHeads - 1) / shape.queryHeads
        let blocksOfRange = max(1, blocks / wanted)
        self.rows = rows
        rangeRows = blocksOfRange * block
        rangeCount = (blocks + blocksOfRange - 1) / blocksOfRange
        taskCount = rangeCount * shape.queryHeads
    }

    func queries(_ index: Int) -> Range<Int> {
        let first = (rangeCount - 1 - index) * rangeRows
        return first..<min(first + rangeRows, rows)
    }
}

/// Lines in which tasks of a region wait for their turn. Tasks are claimed in order and every task stands behind tasks of
/// lower numbers only, so that somebody always goes on.
private final class Turns: Sendable {
    private let lines: UniqueLines

    /// Owns the counters.
    private struct UniqueLines: @unchecked Sendable {
        // Unchecked: atomic words.
        let base: UnsafeMutablePointer<Atomic<Int>>
        let count: Int
    }

    init(count: Int) {
        let base = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: max(1, count))
        for index in 0..<count { (base + index).initialize(to: Atomic(0)) }
        lines = UniqueLines(base: base, count: count)
    }

    deinit { lines.base.deallocate() }

    /// Runs `body` when `turn` bodies of the line have run.
    func take(_ turn: Int, of line: Int, _ body: () -> Void) {
        var spins = 0
        while lines.base[line].load(ordering: .acquiring) != turn {
            csystem_pause()
            spins += 1
            // Whoever is waited for may need this processor.
            if spins & 1023 == 0 { sched_yield() }
        }
        body()
        lines.base[line].store(turn + 1, ordering: .releasing)
    }
}

/// Stops the program if a matrix does not have the columns of its heads.
func requireColumns(_ shape: AttentionShape, queries: [FloatMatrix], keyValues: [FloatMatrix]) {
    guard queries.allSatisfy({ $0.columns == shape.queryColumns }),
        keyValues.allSatisfy({ $0.columns == shape.keyValueColumns })
    else {
        fatalError("attention wants \(shape.queryColumns) columns of queries and \(shape.keyValueColumns) of keys")
    }
}

/// Stops the program if a segment leaves a matrix.
private func requireRows(_ segments: UnsafeBufferPointer<Segment>, in matrices: FloatMatrix...) {
    for segment in segments {
        let end = Int(segment.start) + Int(segment.count)
        guard segment.start >= 0, segment.count >= 0, matrices.allSatisfy({ end <= $0.rows }) else {
            fatalError("rows \(segment.start)..<\(end) of a segment are outside its matrices")
        }
    }
}
