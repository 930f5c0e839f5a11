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

    var windowOrEnd: Int64 { window.map(Int64.init) ?? Int64.max }
    var softCapOrZero: Float { softCap ?? 0 }
}

extension ComputeContext {
    /// Bytes of scratch of one thread in `attentionForward` and `attentionPrefill`, a multiple of 64.
    func attentionForwardPieceByteCount(_ shape: AttentionShape) -> Int {
        (Int(qk_attention_forward_scratch(Int64(shape.headWidth))) * 4 + 63) & ~63
    }

    /// Bytes of scratch that `attentionForward` and `attentionPrefill` need: about 160 KB a thread for heads of 128.
    package func attentionForwardScratchByteCount(_ shape: AttentionShape) -> Int {
        attentionForwardPieceByteCount(shape) * pool.threadCount
    }

    /// Bytes of scratch of one thread in `attentionBackward`.
    func attentionBackwardPieceByteCount(_ shape: AttentionShape, longestSegment: Int) -> Int {
        (Int(qk_attention_backward_scratch(Int64(shape.headWidth), Int64(longestSegment))) * 4 + 63) & ~63
    }

    /// Bytes of scratch that `attentionBackward` needs: for each thread some blocks, and dK and dV of one head of the
    /// longest sequence.
    package func attentionBackwardScratchByteCount(_ shape: AttentionShape, longestSegment: Int) -> Int {
        attentionBackwardPieceByteCount(shape, longestSegment: longestSegment) * pool.threadCount
    }
}
