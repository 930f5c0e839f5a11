internal import CIntrinsics
package import Tensors

extension ComputeContext {
    /// out = softmax(scale * q kᵀ) v, causal inside each segment; memory linear in the length of a segment.
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
        let block = Int(QK_ATTENTION_QUERIES)
        nonisolated(unsafe) let (segments, logSumExp) = (segments, logSumExp)  // tasks write disjoint rows
        let table = kernels.elementwise
        let blocks = segments.reduce(0) { $0 + (Int($1.count) + block - 1) / block }
        pool.run(blocks * shape.queryHeads, scratch: scratch, byteCount: attentionForwardPieceByteCount(shape)) {
            task, scratch in
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
                    soft_cap: shape.softCapOrZero, scratch: scratch.assumingMemoryBound(to: Float.self))
                table.attention_forward(&parameters)
                return
            }
        }
    }

    /// The gradients of `attentionForward`, overwriting dQ, dK and dV in the rows that segments cover.
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
        nonisolated(unsafe) let (segments, logSumExp) = (segments, logSumExp)  // tasks write disjoint rows and columns
        let table = kernels.elementwise
        let piece = attentionBackwardPieceByteCount(shape, longestSegment: longest)
        pool.run(segments.count * shape.keyValueHeads, scratch: scratch, byteCount: piece) { task, scratch in
            let segment = segments[task / shape.keyValueHeads]
            let row = Int(segment.start)
            let column = task % shape.keyValueHeads * shape.headWidth
            let queryColumn = column * shape.groupSize
            let firstHead = task % shape.keyValueHeads * shape.groupSize
            guard segment.count > 0 else { return }
            var parameters = qk_attention_backward(
                q: q.row(row) + queryColumn, k: k.row(row) + column, v: v.row(row) + column,
                out: out.row(row) + queryColumn, d_out: dOut.row(row) + queryColumn,
                log_sum_exp: logSumExp + (firstHead * q.rows + row), d_q: dQ.row(row) + queryColumn,
                d_k: dK.row(row) + column, d_v: dV.row(row) + column, q_stride: Int64(q.stride),
                k_stride: Int64(k.stride), v_stride: Int64(v.stride), out_stride: Int64(out.stride),
                d_out_stride: Int64(dOut.stride), d_q_stride: Int64(dQ.stride), d_k_stride: Int64(dK.stride),
                d_v_stride: Int64(dV.stride), log_sum_exp_stride: Int64(q.rows), rows: Int64(segment.count),
                heads: Int64(shape.groupSize), head_width: Int64(shape.headWidth), window: shape.windowOrEnd,
                scale: shape.scale, soft_cap: shape.softCapOrZero,
                scratch: scratch.assumingMemoryBound(to: Float.self))
            table.attention_backward(&parameters)
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
