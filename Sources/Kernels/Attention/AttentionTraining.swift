internal import CIntrinsics
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
    ///   - scratch: at least `attentionForwardScratchByteCount` for the longest segment.
    package func attentionForward(
        q: FloatMatrix, k: FloatMatrix, v: FloatMatrix, segments: UnsafeBufferPointer<Segment>, shape: AttentionShape,
        into out: FloatMatrix, logSumExp: UnsafeMutablePointer<Float>?, scratch: UnsafeMutableRawBufferPointer
    ) {
        requireColumns(shape, queries: [q, out], keyValues: [k, v])
        requireRows(segments, in: q, k, v, out)
        nonisolated(unsafe) let logSumExp = logSumExp  // turns write disjoint rows
        let table = kernels.elementwise
        let memory = AttentionMemory(shape, computeType, backward: false)
        forEachTurn("attention, forward", segments, shape, memory, scratch: scratch) { turn in
            var task = forwardTurn(
                shape, q: turn.own(q), out: turn.own(out),
                logSumExp: logSumExp.map { $0 + (turn.head * q.rows + turn.firstRow) },
                firstPosition: turn.firstPosition, next: turn.next, scratch: turn.scratch)
            table.attention_forward_begin(&task)
            for block in turn.cut.keyBlocks(turn.number) {
                let packed = turn.shared + block * memory.blockCount
                // The first turn that comes to a block packs it for all.
                if turn.cut.turnsBefore(turn.number, at: block) == 0 {
                    packKeys(turn.keys(k, block), turn.keys(v, block), backward: false, into: packed)
                    turn.pass(1, at: block)
                } else {
                    turn.wait(1, at: block)
                }
                table.attention_forward_keys(&task, Int64(turn.cut.keys(block).lowerBound), packed)
            }
            table.attention_forward_end(&task)
        }
    }

    /// The gradients of `attentionForward`, overwriting dQ, dK and dV in the rows that segments cover.
    ///
    /// What query rows of one head contribute to dK and dV of a block of keys is added up in an order that depends on the
    /// segment's length and the heads alone, each turn following the one before from block to block.
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
        nonisolated(unsafe) let logSumExp = logSumExp
        let table = kernels.elementwise
        let memory = AttentionMemory(shape, computeType, backward: true)
        forEachTurn("attention, backward", segments, shape, memory, scratch: scratch) { turn in
            var task = backwardTurn(
                shape, q: turn.own(q), out: turn.own(out), dOut: turn.own(dOut), dQ: turn.own(dQ),
                logSumExp: logSumExp + (turn.head * q.rows + turn.firstRow), firstPosition: turn.firstPosition,
                next: turn.next, scratch: turn.scratch)
            table.attention_backward_begin(&task)
            for block in turn.cut.keyBlocks(turn.number) {
                let packed = turn.shared + block * memory.blockCount
                let sums = packed + memory.packedCount
                let firstKey = Int64(turn.cut.keys(block).lowerBound)
                let turnsBefore = turn.cut.turnsBefore(turn.number, at: block)
                // The first turn that comes to a block packs it for all; then all add to its sums, one after the other.
                if turnsBefore == 0 {
                    packKeys(turn.keys(k, block), turn.keys(v, block), backward: true, into: packed)
                    turn.pass(1, at: block)
                } else {
                    turn.wait(1, at: block)
                }
                table.attention_backward_keys(&task, firstKey, packed)
                turn.wait(1 + turnsBefore, at: block)
                table.attention_backward_sums(&task, firstKey, sums, turnsBefore == 0 ? 1 : 0)
                turn.pass(2 + turnsBefore, at: block)
                if turn.cut.isLast(turn.number, at: block) {
                    let (dK, dV) = (turn.keys(dK, block), turn.keys(dV, block))
                    table.attention_unpack_sums(
                        sums, Int64(dK.rows), Int64(shape.headWidth), dK.base, Int64(dK.stride), dV.base,
                        Int64(dV.stride))
                }
            }
            table.attention_backward_end(&task)
        }
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
