internal import CIntrinsics
package import Tensors

extension ComputeContext {
    /// Attention of a chunk of prompt rows against a cache that already holds their keys and values: row i has position
    /// firstPosition + i. Bit for bit what `attentionForward` gives for the same rows of the whole sequence.
    ///
    /// - Parameters:
    ///   - q: [n, H * D]; `out` likewise.
    ///   - keys: [at least firstPosition + n, K * D], row p being position p; `values` likewise.
    ///   - scratch: at least `attentionPrefillScratchByteCount`.
    package func attentionPrefill(
        q: FloatMatrix, firstPosition: Int, keys: FloatMatrix, values: FloatMatrix, shape: AttentionShape,
        into out: FloatMatrix, scratch: UnsafeMutableRawBufferPointer
    ) {
        requireColumns(shape, queries: [q, out], keyValues: [keys, values])
        guard firstPosition >= 0, firstPosition + q.rows <= min(keys.rows, values.rows), q.rows == out.rows else {
            fatalError("\(q.rows) rows from position \(firstPosition) on need as many keys, the cache has \(keys.rows)")
        }
        let (block, keyBlock) = (Int(QK_ATTENTION_QUERIES), Int(QK_ATTENTION_KEYS))
        let table = kernels.elementwise
        let blocks = (q.rows + block - 1) / block
        let memory = AttentionMemory(shape, computeType, backward: false)
        forEachTask(
            "attention, forward", blocks * shape.queryHeads, scratch: scratch, byteCount: memory.byteCount(keys: 1)
        ) { task, scratch in
            let row = (blocks - 1 - task / shape.queryHeads) * block
            let queries = shape.columns(ofHead: task % shape.queryHeads)
            let column = shape.columns(ofHead: task % shape.queryHeads / shape.groupSize)
            let rows = row..<min(row + block, q.rows)
            let end = firstPosition + rows.upperBound
            let floats = scratch.assumingMemoryBound(to: Float.self)
            let packed = floats + memory.turnCount
            var turn = forwardTurn(
                shape, q: q.rows(rows).columns(queries), out: out.rows(rows).columns(queries), logSumExp: nil,
                firstPosition: firstPosition + row, next: (0, 0, 0), scratch: floats)
            table.attention_forward_begin(&turn)
            let firstSeen = max(0, firstPosition + row - (shape.window ?? end) + 1)
            for first in stride(from: firstSeen / keyBlock * keyBlock, to: end, by: keyBlock) {
                let positions = first..<min(first + keyBlock, end)
                packKeys(
                    keys.rows(positions).columns(column), values.rows(positions).columns(column), backward: false,
                    into: packed)
                table.attention_forward_keys(&turn, Int64(first), packed)
            }
            table.attention_forward_end(&turn)
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
