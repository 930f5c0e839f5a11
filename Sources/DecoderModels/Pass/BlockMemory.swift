package import Tensors

/// What a layer's forward leaves for its backward, for M tokens.
package struct BlockMemory {
    /// [M]: reciprocal root mean squares of the layer's input and of the middle.
    package var inputReciprocals: UnsafeMutablePointer<Float>
    package var middleReciprocals: UnsafeMutablePointer<Float>
    /// [M, H·D], [M, K·D], [M, K·D]: after rotation.
    package var query: FloatMatrix
    package var key: FloatMatrix
    package var value: FloatMatrix
    /// [M, H·D], what attention gives to the output projection.
    package var attended: FloatMatrix
    /// [H, M], the logarithm of each softmax's denominator.
    package var logSumExp: UnsafeMutablePointer<Float>
    /// [M, C], the residual stream between attention and feed-forward.
    package var middle: FloatMatrix
    /// [M, F].
    package var gate: FloatMatrix
    package var up: FloatMatrix
    /// What the adapters of the seven linears keep, [M, R] each (no columns where there is none).
    package var saved: [FloatMatrix]
}

/// Matrices that hold nothing from one layer to the next.
package struct SharedMemory {
    /// [M, C], a normalised residual stream.
    package var normed: FloatMatrix
    /// [M, F], silu(gate) · up.
    package var activated: FloatMatrix
}

/// Gradients that hold nothing from one layer to the next.
package struct GradientMemory {
    /// [M, C]
    package var normed: FloatMatrix
    /// [M, F]
    package var activated: FloatMatrix
    /// [M, H·D]
    package var attended: FloatMatrix
    package var query: FloatMatrix
    /// [M, K·D]
    package var key: FloatMatrix
    package var value: FloatMatrix
}

/// Places of a `BlockMemory` in an arena, for up to `tokens` tokens.
package struct BlockSlots {
    private let inputReciprocals, middleReciprocals, logSumExp: ArenaSlot
    private let query, key, value, attended, middle, gate, up: ArenaSlot
    private let saved: [ArenaSlot]
    private let savedWidths: [Int]

    package init(_ plan: inout ArenaPlan, name: String, tokens: Int, shape: DecoderConfiguration, savedWidths: [Int]) {
        func reserve(_ what: String, _ width: Int) -> ArenaSlot {
            plan.reserve("\(name): \(what)", Float.self, count: tokens * width)
        }
        inputReciprocals = reserve("norm of input", 1)
        middleReciprocals = reserve("norm of middle", 1)
        logSumExp = reserve("softmax denominators", shape.queryHeads)
        query = reserve("queries", shape.queryHeads * shape.headWidth)
        key = reserve("keys", shape.keyValueHeads * shape.headWidth)
        value = reserve("values", shape.keyValueHeads * shape.headWidth)
        attended = reserve("attention", shape.queryHeads * shape.headWidth)
        middle = reserve("middle of residual stream", shape.width)
        gate = reserve("gate", shape.feedForwardWidth)
        up = reserve("up", shape.feedForwardWidth)
        saved = savedWidths.map { reserve("low-rank products", $0) }
        self.savedWidths = savedWidths
    }

    /// The memory for `count` tokens.
    package func memory(_ arena: Arena, count: Int, shape: DecoderConfiguration) -> BlockMemory {
        func matrix(_ slot: ArenaSlot, _ columns: Int) -> FloatMatrix {
            arena.matrix(slot, rows: count, columns: columns)
        }
        let queryWidth = shape.queryHeads * shape.headWidth, keyWidth = shape.keyValueHeads * shape.headWidth
        return BlockMemory(
            inputReciprocals: matrix(inputReciprocals, 1).base, middleReciprocals: matrix(middleReciprocals, 1).base,
            query: matrix(query, queryWidth), key: matrix(key, keyWidth), value: matrix(value, keyWidth),
            attended: matrix(attended, queryWidth), logSumExp: matrix(logSumExp, shape.queryHeads).base,
            middle: matrix(middle, shape.width), gate: matrix(gate, shape.feedForwardWidth),
            up: matrix(up, shape.feedForwardWidth),
            saved: zip(saved, savedWidths).map { matrix($0, $1) })
    }
}
