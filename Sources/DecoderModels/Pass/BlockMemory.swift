internal import Adapters
package import Kernels
package import Tensors

/// What a layer's forward leaves for its backward, for M tokens.
package struct BlockMemory {
    /// [M]: reciprocal roots of the norms of what attention and the feed-forward layer read.
    package var inputReciprocals: UnsafeMutablePointer<Float>
    package var middleReciprocals: UnsafeMutablePointer<Float>
    /// [M, H·D], [M, K·D], [M, K·D]: after rotation. Columns of `fused`, where those lie as they are used.
    package var query: FloatMatrix
    package var key: FloatMatrix
    package var value: FloatMatrix
    /// [M, (H + 2K)·D], the result of one projection for all three, where they lie in it as they are used.
    package var fused: FloatMatrix?
    /// What the norms of queries and keys keep.
    package var heads: HeadNormMemory?
    /// [M, H·D], what attention gives to the output projection.
    package var attended: FloatMatrix
    /// [H, M], the logarithm of each softmax's denominator.
    package var logSumExp: UnsafeMutablePointer<Float>
    /// What the norm behind attention keeps, and that behind the feed-forward layer.
    package var attentionOutput: OutputNormMemory?
    package var feedForwardOutput: OutputNormMemory?
    /// [M, C], the residual stream between attention and feed-forward.
    package var middle: FloatMatrix
    /// [M, F]. Columns of `gateUp`, where one projection gives both; without `up` the activation is not multiplied.
    package var gate: ActivationMatrix
    package var up: ActivationMatrix?
    /// [M, 2F]
    package var gateUp: FloatMatrix?
    /// What experts keep, in a layer that has them.
    package var experts: ExpertsMemory?
    /// What the adapters of the linears keep, [M, R] each (no columns where there is none).
    package var saved: [FloatMatrix]

    /// Queries and keys before their norm, and the reciprocal roots [M·parts].
    package struct HeadNormMemory {
        package var query: FloatMatrix
        package var key: FloatMatrix
        package var queryReciprocals: UnsafeMutablePointer<Float>
        package var keyReciprocals: UnsafeMutablePointer<Float>
    }

    /// A branch [M, C] before its norm, and the reciprocal roots [M].
    package struct OutputNormMemory {
        package var branch: FloatMatrix
        package var reciprocals: UnsafeMutablePointer<Float>
    }
}

/// Matrices that hold nothing from one layer to the next.
package struct SharedMemory {
    /// [M, C], a normalised residual stream.
    package var normed: FloatMatrix
    /// [M, F], what `down` reads.
    package var activated: FloatMatrix
    /// [M, (H + 2K)·D], the result of one projection for queries, keys and values, where they are copied out of it.
    package var fused: FloatMatrix?
    /// Rows of experts.
    package var experts: ExpertsScratch?
    /// Whether the routers' auxiliary loss adds to gradients.
    package var balancesExperts = false
}

/// Places of a `BlockMemory` in an arena, for up to `tokens` tokens, to be used by some layers one after the other.
package struct BlockSlots {
    private let inputReciprocals, middleReciprocals, logSumExp, attended, middle: ArenaSlot
    private let projections: ProjectionSlots
    private let heads: (query: ArenaSlot, key: ArenaSlot, queryReciprocals: ArenaSlot, keyReciprocals: ArenaSlot)?
    private let attentionOutput, feedForwardOutput: (branch: ArenaSlot, reciprocals: ArenaSlot)?
    private let gate: ArenaSlot
    private let up: ArenaSlot?
    private let experts: ExpertsSlots?
    /// Whether gate and up are bfloat16.
    private let narrows: Bool
    private let saved: [ArenaSlot]
    private let savedWidths: [Int]

    /// - Parameters:
    ///   - layers: the layers that use the memory.
    ///   - narrows: whether gate and up are kept in bfloat16 where they lie apart: half of the memory of the largest
    ///     activations, whose only use is as input of the activation function.
    package init(
        _ plan: inout ArenaPlan, name: String, tokens: Int, _ model: DecoderModel, layers: Range<Int>, narrows: Bool
    ) {
        let shape = model.configuration, blocks = model.blocks[layers]
        let inner = layers.map(shape.feedForwardWidth).max() ?? 0
        // Linears of layers of two kinds stand in different places: each place is as wide as the widest.
        let savedWidths = (0..<(blocks.map(\.linears.count).max() ?? 0)).map { place in
            blocks.compactMap { place < $0.linears.count ? $0.linears[place].savedWidth : nil }.max() ?? 0
        }
        func reserve(_ what: String, _ width: Int) -> ArenaSlot {
            plan.reserve("\(name): \(what)", Float.self, count: tokens * width)
        }
        func reserveBranch(_ what: String) -> (ArenaSlot, ArenaSlot) {
            (reserve("\(what) before its norm", shape.width), reserve("norm of \(what)", 1))
        }
        inputReciprocals = reserve("norm of input", 1)
        middleReciprocals = reserve("norm of middle", 1)
        logSumExp = reserve("softmax denominators", shape.queryHeads)
        projections = ProjectionSlots(
            &plan, name: "\(name): ", tokens: tokens, shape: shape, holdsFused: shape.fusedHeads == .grouped)
        heads =
            shape.headNorm == nil
            ? nil
            : (
                reserve("queries before their norm", shape.queryWidth),
                reserve("keys before their norm", shape.keyValueWidth), reserve("norm of queries", shape.queryHeads),
                reserve("norm of keys", shape.keyValueHeads)
            )
        attended = reserve("attention", shape.queryWidth)
        middle = reserve("middle of residual stream", shape.width)
        attentionOutput = shape.names.attentionOutputNorm == nil ? nil : reserveBranch("attention's result")
        feedForwardOutput = shape.names.feedForwardOutputNorm == nil ? nil : reserveBranch("feed-forward result")
        if shape.names.gateUp != nil {
            gate = reserve("gate and up", 2 * inner)
            up = nil
        } else {
            func reserveGate(_ what: String) -> ArenaSlot {
                guard narrows else { return reserve(what, inner) }
                return plan.reserve("\(name): \(what)", UInt16.self, count: tokens * inner)
            }
            gate = reserveGate("gate")
            up = shape.names.up == nil ? nil : reserveGate("up")
        }
        self.narrows = narrows && shape.names.gateUp == nil
        experts = layers.lazy.compactMap(shape.experts).first.map { design in
            let kept = blocks.compactMap { $0.experts?.savedWidths }
            return ExpertsSlots(
                &plan, name: name, tokens: tokens, design, width: shape.width,
                savedWidths: (kept.map(\.input).max() ?? 0, kept.map(\.output).max() ?? 0))
        }
        saved = savedWidths.map { reserve("low-rank products", $0) }
        self.savedWidths = savedWidths
    }

    /// The memory of a layer for `count` tokens.
    package func memory(_ arena: Arena, count: Int, shape: DecoderConfiguration, layer: Int) -> BlockMemory {
        func matrix(_ slot: ArenaSlot, _ columns: Int) -> FloatMatrix {
            arena.matrix(slot, rows: count, columns: columns)
        }
        func branch(_ slots: (branch: ArenaSlot, reciprocals: ArenaSlot)) -> BlockMemory.OutputNormMemory {
            BlockMemory.OutputNormMemory(
                branch: matrix(slots.branch, shape.width), reciprocals: matrix(slots.reciprocals, 1).base)
        }
        let inner = shape.feedForwardWidth(of: layer)
        func activation(_ slot: ArenaSlot) -> ActivationMatrix {
            guard narrows else { return .float32(matrix(slot, inner)) }
            guard let base = arena.elements(slot, as: UInt16.self).baseAddress else {
                fatalError("an arena slot has no memory")
            }
            return .bfloat16(BFloat16Matrix(base: base, rows: count, columns: inner))
        }
        let (query, key, value, fused) = projections.matrices(arena, count: count, shape: shape)
        let gateUp = shape.names.gateUp == nil ? nil : matrix(gate, 2 * inner)
        return BlockMemory(
            inputReciprocals: matrix(inputReciprocals, 1).base, middleReciprocals: matrix(middleReciprocals, 1).base,
            query: query, key: key, value: value, fused: fused,
            heads: heads.map {
                BlockMemory.HeadNormMemory(
                    query: matrix($0.query, shape.queryWidth), key: matrix($0.key, shape.keyValueWidth),
                    queryReciprocals: matrix($0.queryReciprocals, shape.queryHeads).base,
                    keyReciprocals: matrix($0.keyReciprocals, shape.keyValueHeads).base)
            },
            attended: matrix(attended, shape.queryWidth), logSumExp: matrix(logSumExp, shape.queryHeads).base,
            attentionOutput: attentionOutput.map(branch), feedForwardOutput: feedForwardOutput.map(branch),
            middle: matrix(middle, shape.width),
            gate: gateUp.map { .float32($0.columns(0..<inner)) } ?? activation(gate),
            up: gateUp.map { .float32($0.columns(inner..<2 * inner)) } ?? up.map(activation), gateUp: gateUp,
            experts: shape.experts(of: layer) == nil ? nil : experts?.memory(arena, count: count),
            saved: zip(saved, savedWidths).map { matrix($0, $1) })
    }
}

/// Places of queries, keys and values, or of their gradients.
struct ProjectionSlots {
    private let query, key, value, fused: ArenaSlot?

    /// - Parameter holdsFused: whether there is a matrix for all three together.
    init(_ plan: inout ArenaPlan, name: String, tokens: Int, shape: DecoderConfiguration, holdsFused: Bool) {
        func reserve(_ what: String, _ width: Int) -> ArenaSlot {
            plan.reserve(name + what, Float.self, count: tokens * width)
        }
        let isGrouped = shape.fusedHeads == .grouped
        query = isGrouped ? nil : reserve("queries", shape.queryWidth)
        key = isGrouped ? nil : reserve("keys", shape.keyValueWidth)
        value = isGrouped ? nil : reserve("values", shape.keyValueWidth)
        fused = holdsFused ? reserve("queries, keys and values", shape.fusedWidth) : nil
    }

    /// The matrices for `count` tokens; those of a grouped layout are columns of the fused one.
    func matrices(_ arena: Arena, count: Int, shape: DecoderConfiguration) -> (
        query: FloatMatrix, key: FloatMatrix, value: FloatMatrix, fused: FloatMatrix?
    ) {
        let queryWidth = shape.queryWidth, keyWidth = shape.keyValueWidth
        let all = fused.map { arena.matrix($0, rows: count, columns: shape.fusedWidth) }
        guard let query, let key, let value else {
            guard let all else { fatalError("queries, keys and values have no memory") }
            return (
                all.columns(0..<queryWidth), all.columns(queryWidth..<queryWidth + keyWidth),
                all.columns(queryWidth + keyWidth..<shape.fusedWidth), all
            )
        }
        return (
            arena.matrix(query, rows: count, columns: queryWidth), arena.matrix(key, rows: count, columns: keyWidth),
            arena.matrix(value, rows: count, columns: keyWidth), all
        )
    }
}
