internal import CIntrinsics
internal import Tensors

/// One turn of attention over a whole segment, and what it may use.
struct AttentionTurn {
    let shape: AttentionShape
    let cut: AttentionCut
    /// The segment's first row.
    let start: Int
    let keyHead: Int
    /// Which turn of the cut.
    let number: Int
    /// What the turn keeps; see `AttentionMemory`.
    let scratch: UnsafeMutablePointer<Float>
    /// What the turns of the segment's key/value head share.
    let shared: UnsafeMutablePointer<Float>

    fileprivate let lines: AttentionLines
    fileprivate let owner: Int

    var head: Int { keyHead * shape.groupSize + cut.head(number) }

    /// Position of the first row in its segment.
    var firstPosition: Int { cut.queries(number).lowerBound }

    /// The first row of all.
    var firstRow: Int { start + firstPosition }

    /// The turn's part of queries, or of what has their shape.
    func own(_ matrix: FloatMatrix) -> FloatMatrix {
        let rows = firstRow..<start + cut.queries(number).upperBound
        return matrix.rows(rows).columns(shape.columns(ofHead: head))
    }

    /// A block of the keys that the turn may see, or of what has their shape.
    func keys(_ matrix: FloatMatrix, _ block: Int) -> FloatMatrix {
        let keys = cut.keys(block)
        return matrix.rows(start + keys.lowerBound..<start + keys.upperBound).columns(shape.columns(ofHead: keyHead))
    }

    /// The rows of the line's next turn: how many, and how far behind this turn's, in rows and columns.
    var next: (count: Int64, row: Int64, column: Int64) {
        guard number + 1 < cut.turnCount else { return (0, 0, 0) }
        let rows = cut.queries(number + 1)
        let heads = cut.head(number + 1) - cut.head(number)
        return (Int64(rows.count), Int64(rows.lowerBound - firstPosition), Int64(heads * shape.headWidth))
    }

    /// Waits until `count` steps have been done at a block of keys.
    func wait(_ count: Int, at block: Int) { lines.wait(count, at: block, owner: owner) }

    /// Says that `count` steps have been done at a block of keys.
    func pass(_ count: Int, at block: Int) { lines.pass(count, at: block, owner: owner) }
}

extension ComputeContext {
    /// Calls `body` once for each turn of each segment and key/value head, those of a head in order of their beginning.
    ///
    /// - Parameter name: what a profile counts the time under.
    func forEachTurn(
        _ name: StaticString, _ segments: UnsafeBufferPointer<Segment>, _ shape: AttentionShape,
        _ memory: AttentionMemory, scratch: UnsafeMutableRawBufferPointer, _ body: @Sendable (AttentionTurn) -> Void
    ) {
        let lengths = segments.map { Int($0.count) }
        let starts = segments.map { Int($0.start) }
        let cuts = lengths.map { AttentionCut(rows: $0, shape: shape) }
        let turnCounts = cuts.flatMap { Array(repeating: $0.turnCount, count: shape.keyValueHeads) }
        let lines = AttentionLines(
            turnCounts: turnCounts, blockCount: cuts.reduce(0) { max($0, $1.keyBlockCount) },
            pool: pool)
        let byteCount = memory.byteCount(keys: lengths.max() ?? 0)
        let turns = turnCounts.reduce(0, +)
        guard turns > 0 else { return }
        guard let start = scratch.baseAddress, scratch.count >= pool.threadCount * byteCount else {
            fatalError("attention needs \(pool.threadCount * byteCount) bytes of scratch, \(scratch.count) were given")
        }
        // Each part is written by one thread, or by threads that wait for each other.
        nonisolated(unsafe) let base = start
        @Sendable func part(_ worker: Int) -> UnsafeMutablePointer<Float> {
            (base + worker * byteCount).assumingMemoryBound(to: Float.self)
        }
        measured(name) {
            pool.runOnWorkers(turns, oneByOne: turns) { _, worker in
                lines.takeTurn(worker: worker) { line, owner, number in
                    body(
                        AttentionTurn(
                            shape: shape, cut: cuts[line / shape.keyValueHeads],
                            start: starts[line / shape.keyValueHeads],
                            keyHead: line % shape.keyValueHeads, number: number, scratch: part(worker),
                            shared: part(owner) + memory.turnCount, lines: lines, owner: owner))
                }
            }
        }
    }

    /// The kernels' description of some query rows of one head, whose columns alone the matrices have.
    func forwardTurn(
        _ shape: AttentionShape, q: FloatMatrix, out: FloatMatrix, logSumExp: UnsafeMutablePointer<Float>?,
        firstPosition: Int, next: (count: Int64, row: Int64, column: Int64), scratch: UnsafeMutablePointer<Float>
    ) -> qk_attention_forward {
        qk_attention_forward(
            q: q.base, out: out.base, log_sum_exp: logSumExp, q_stride: Int64(q.stride),
            out_stride: Int64(out.stride), rows: Int64(q.rows), first_position: Int64(firstPosition),
            head_width: Int64(shape.headWidth), window: shape.windowOrEnd, scale: shape.scale,
            soft_cap: shape.softCapOrZero, bfloat16: computeType == .bfloat16 ? 1 : 0,
            next_count: next.count, next_row: next.row, next_column: next.column, scratch: scratch)
    }

    func backwardTurn(
        _ shape: AttentionShape, q: FloatMatrix, out: FloatMatrix, dOut: FloatMatrix, dQ: FloatMatrix,
        logSumExp: UnsafePointer<Float>, firstPosition: Int,
        next: (count: Int64, row: Int64, column: Int64), scratch: UnsafeMutablePointer<Float>
    ) -> qk_attention_backward {
        qk_attention_backward(
            q: q.base, out: out.base, d_out: dOut.base, log_sum_exp: logSumExp, d_q: dQ.base,
            q_stride: Int64(q.stride), out_stride: Int64(out.stride), d_out_stride: Int64(dOut.stride),
            d_q_stride: Int64(dQ.stride), rows: Int64(q.rows), first_position: Int64(firstPosition),
            head_width: Int64(shape.headWidth), window: shape.windowOrEnd, scale: shape.scale,
            soft_cap: shape.softCapOrZero, bfloat16: computeType == .bfloat16 ? 1 : 0,
            next_count: next.count, next_row: next.row, next_column: next.column, scratch: scratch)
    }

    /// Packs a block of keys and values of one head, whose columns alone the matrices have.
    func packKeys(_ k: FloatMatrix, _ v: FloatMatrix, backward: Bool, into packed: UnsafeMutablePointer<Float>) {
        var keys = qk_attention_keys(
            k: k.base, v: v.base, k_stride: Int64(k.stride), v_stride: Int64(v.stride), rows: Int64(k.rows),
            head_width: Int64(k.columns), bfloat16: computeType == .bfloat16 ? 1 : 0, backward: backward ? 1 : 0,
            packed: packed)
        kernels.elementwise.attention_pack_keys(&keys)
    }
}
