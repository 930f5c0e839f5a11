internal import CIntrinsics
package import Tensors

extension ComputeContext {
    /// Attention of a chunk of prompt rows against a cache that already holds their keys and values: row i has position
    /// firstPosition + i. Bit for bit what `attentionForward` gives for the same rows of the whole sequence.
    ///
    /// - Parameters:
    ///   - q: [n, H * D]; `out` likewise.
    ///   - keys: [at least firstPosition + n, K * D], row p being position p; `values` likewise.
    ///   - scratch: at least `attentionForwardScratchByteCount`.
    package func attentionPrefill(
        q: FloatMatrix, firstPosition: Int, keys: FloatMatrix, values: FloatMatrix, shape: AttentionShape,
        into out: FloatMatrix, scratch: UnsafeMutableRawBufferPointer
    ) {
        requireColumns(shape, queries: [q, out], keyValues: [keys, values])
        guard firstPosition >= 0, firstPosition + q.rows <= min(keys.rows, values.rows), q.rows == out.rows else {
            fatalError("\(q.rows) rows from position \(firstPosition) on need as many keys, the cache has \(keys.rows)")
        }
        let block = Int(QK_ATTENTION_QUERIES)
        let table = kernels.elementwise
        let blocks = (q.rows + block - 1) / block
        forEachTask(
            "attention, forward", blocks * shape.queryHeads, scratch: scratch,
            byteCount: attentionForwardPieceByteCount(shape)
        ) { task, scratch in
            let row = (blocks - 1 - task / shape.queryHeads) * block
            let head = task % shape.queryHeads
            let column = head / shape.groupSize * shape.headWidth
            var parameters = qk_attention_forward(
                q: q.row(row) + head * shape.headWidth, k: keys.base + column, v: values.base + column,
                out: out.row(row) + head * shape.headWidth, log_sum_exp: nil, q_stride: Int64(q.stride),
                k_stride: Int64(keys.stride), v_stride: Int64(values.stride), out_stride: Int64(out.stride),
                rows: Int64(min(block, q.rows - row)), first_position: Int64(firstPosition + row),
                head_width: Int64(shape.headWidth), window: shape.windowOrEnd, scale: shape.scale,
                soft_cap: shape.softCapOrZero,
                bfloat16: computeType == .bfloat16 ? 1 : 0, scratch: scratch.assumingMemoryBound(to: Float.self))
            table.attention_forward(&parameters)
        }
    }

    /// Bytes of scratch that `attentionDecode` needs for a cache of `length` rows: a partial result and the scores for
    /// each 128 keys of each head.
    package func attentionDecodeScratchByteCount(_ shape: AttentionShape, length: Int) -> Int {
        let keys = Int(QK_ATTENTION_DECODE_KEYS)
        return (length + keys - 1) / keys * shape.queryHeads * (shape.headWidth + 2 + keys) * 4
    }

    /// Attention of one query row, that of the last position, over a cache. Keys and values are read once.
    ///
    /// Sums run in an order of their own (128 keys at a time from position 0, channels as lanes), so the last bits differ
    /// from `attentionPrefill`; they depend neither on the thread count nor on the cache's capacity.
    ///
    /// - Parameters:
    ///   - q: [H * D]; `out` likewise.
    ///   - keys: [length, K * D]; `values` likewise. The query's own position is length - 1.
    ///   - scratch: at least `attentionDecodeScratchByteCount`.
    package func attentionDecode(
        q: UnsafePointer<Float>, keys: FloatMatrix, values: FloatMatrix, shape: AttentionShape,
        into out: UnsafeMutablePointer<Float>, scratch: UnsafeMutableRawBufferPointer
    ) {
        requireColumns(shape, queries: [], keyValues: [keys, values])
        let length = keys.rows
        guard length > 0, values.rows == length, let base = scratch.baseAddress,
            scratch.count >= attentionDecodeScratchByteCount(shape, length: length)
        else { fatalError("decoding needs at least one key, as many values, and its scratch") }
        let chunk = Int(QK_ATTENTION_DECODE_KEYS)
        let first = max(0, length - (shape.window ?? length))
        let firstChunk = first / chunk
        let chunks = (length + chunk - 1) / chunk - firstChunk
        let (group, width) = (shape.groupSize, shape.headWidth)
        let partialCount = group * (width + 2)
        nonisolated(unsafe) let floats = base.assumingMemoryBound(to: Float.self)  // tasks write disjoint pieces
        nonisolated(unsafe) let scores = floats + chunks * shape.keyValueHeads * partialCount
        nonisolated(unsafe) let (q, out) = (q, out)
        let table = kernels.elementwise
        pool.run(chunks * shape.keyValueHeads) { task in
            let head = task / chunks
            let from = max(first, (firstChunk + task % chunks) * chunk)
            let to = min(length, (firstChunk + task % chunks + 1) * chunk)
            var parameters = qk_attention_decode(
                q: q + head * group * width, k: keys.row(from) + head * width, v: values.row(from) + head * width,
                k_stride: Int64(keys.stride), v_stride: Int64(values.stride), keys: Int64(to - from),
                heads: Int64(group), head_width: Int64(width), scale: shape.scale, soft_cap: shape.softCapOrZero,
                partial: floats + task * partialCount, scratch: scores + task * group * chunk)
            table.attention_decode(&parameters)
        }
        for head in 0..<shape.queryHeads {
            let partial = floats + (head / group * chunks * partialCount + head % group * (width + 2))
            table.attention_join(partial, Int64(chunks), Int64(partialCount), Int64(width), out + head * width)
        }
    }
}
