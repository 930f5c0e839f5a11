internal import CIntrinsics

/// Consecutive rows that form one sequence: they see each other and nothing else.
package struct Segment: Sendable, Equatable {
    /// The first row.
    package let start: Int32
    package let count: Int32

    package init(start: Int32, count: Int32) {
        self.start = start
        self.count = count
    }
}

/// Causal attention with grouped heads: query head h uses key/value head h / (queryHeads / keyValueHeads).
package struct AttentionShape: Sendable, Equatable {
    /// H, a multiple of keyValueHeads.
    package let queryHeads: Int
    /// K.
    package let keyValueHeads: Int
    /// D, any width.
    package let headWidth: Int
    /// What dot products are multiplied with, 1 / sqrt(D) as a rule.
    package let scale: Float
    /// A query sees this many keys, itself included (key > query - window); nil for all before it.
    package let window: Int?
    /// Scores become cap * tanh(score / cap); nil for none.
    package let softCap: Float?

    package init(
        queryHeads: Int, keyValueHeads: Int, headWidth: Int, scale: Float, window: Int? = nil, softCap: Float? = nil
    ) {
        guard queryHeads > 0, keyValueHeads > 0, headWidth > 0, queryHeads % keyValueHeads == 0 else {
            fatalError("\(queryHeads) query heads of width \(headWidth) cannot share \(keyValueHeads) key/value heads")
        }
        guard (window ?? 1) >= 1 && (softCap ?? 1) > 0 else {
            fatalError("an attention window or cap must be positive")
        }
        self.queryHeads = queryHeads
        self.keyValueHeads = keyValueHeads
        self.headWidth = headWidth
        self.scale = scale
        self.window = window
        self.softCap = softCap
    }

    /// Query heads that share a key/value head.
    package var groupSize: Int { queryHeads / keyValueHeads }

    /// H * D, columns of q and of the output.
    package var queryColumns: Int { queryHeads * headWidth }

    /// K * D, columns of k and v.
    package var keyValueColumns: Int { keyValueHeads * headWidth }

    /// Columns of a query head in queries, or of a key/value head in keys and values.
    func columns(ofHead head: Int) -> Range<Int> { head * headWidth..<(head + 1) * headWidth }

    var windowOrEnd: Int64 { window.map(Int64.init) ?? Int64.max }
    var softCapOrZero: Float { softCap ?? 0 }
}

/// Where a thread's part of the scratch holds what: first what its turn keeps, then what the turns of the line that it has
/// opened share, block of keys after block of keys. Counts are of floats.
struct AttentionMemory: Sendable {
    /// What a turn keeps.
    let turnCount: Int
    /// Packed keys and values of a block, with the sums of its gradients behind them.
    let packedCount: Int
    let blockCount: Int

    init(_ shape: AttentionShape, _ computeType: ComputeType, backward: Bool) {
        func whole(_ count: Int64) -> Int { (Int(count) + 15) & ~15 }
        let width = Int64(shape.headWidth)
        turnCount = whole(backward ? qk_attention_backward_scratch(width) : qk_attention_forward_scratch(width))
        packedCount = whole(
            qk_attention_packed_keys(width, computeType == .bfloat16 ? 1 : 0, backward ? 1 : 0))
        blockCount = packedCount + (backward ? whole(qk_attention_sums(width)) : 0)
    }

    /// Bytes of one thread for lines of `keys` keys.
    func byteCount(keys: Int) -> Int {
        (turnCount + (keys + Int(QK_ATTENTION_KEYS) - 1) / Int(QK_ATTENTION_KEYS) * blockCount) * 4
    }
}

extension ComputeContext {
    /// Bytes of scratch that `attentionForward` needs: for each thread some blocks, and keys and values of one head of the
    /// longest segment.
    package func attentionForwardScratchByteCount(_ shape: AttentionShape, longestSegment: Int) -> Int {
        AttentionMemory(shape, computeType, backward: false).byteCount(keys: longestSegment) * pool.threadCount
    }

    /// Bytes of scratch that `attentionPrefill` needs: about 300 KB a thread for heads of 128.
    package func attentionPrefillScratchByteCount(_ shape: AttentionShape) -> Int {
        attentionForwardScratchByteCount(shape, longestSegment: 1)
    }

    /// Bytes of scratch that `attentionBackward` needs: for each thread some blocks, and keys and values of one head of the
    /// longest segment, with their gradients.
    package func attentionBackwardScratchByteCount(_ shape: AttentionShape, longestSegment: Int) -> Int {
        AttentionMemory(shape, computeType, backward: true).byteCount(keys: longestSegment) * pool.threadCount
    }
}
