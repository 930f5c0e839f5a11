internal import Adapters
internal import Kernels
internal import Layers
internal import Tensors

/// Memory that any pass needs besides what its layers keep: normalised rows, gated activations, scratch.
struct Workspace {
    private let normed: ArenaSlot
    private let activated: ArenaSlot
    private let fused: ArenaSlot?
    private let experts: ExpertsScratchSlots?
    private let dropped: ArenaSlot?
    private let lowRank: ArenaSlot
    private let scratch: ArenaSlot
    private let droppedWidth: Int
    private let lowRankWidth: Int
    private let factors: ArenaSlot

    init(
        _ plan: inout ArenaPlan, _ model: DecoderModel, capacity: Int, largestSequence: Int, head: LossHead? = nil,
        cacheLength: Int = 0, training: Bool, _ context: ComputeContext
    ) {
        let shape = model.configuration
        normed = plan.reserve("normalised rows", Float.self, count: capacity * shape.width)
        activated = plan.reserve("gated activations", Float.self, count: capacity * shape.widestFeedForward)
        fused =
            shape.fusedHeads == .interleaved
            ? plan.reserve("queries, keys and values together", Float.self, count: capacity * shape.fusedWidth) : nil
        experts = shape.experts.map {
            ExpertsScratchSlots(&plan, tokens: capacity, $0, width: shape.width, training: training)
        }
        let sites = model.blocks.flatMap(\.linears) + [model.head]
        droppedWidth = sites.reduce(0) { max($0, $1.site.inputs) }
        let headRows = head?.chunkRows ?? 1
        let rows = max(capacity, headRows)
        dropped =
            training && model.adapters?.dropout ?? 0 > 0
            ? plan.reserve("dropped-out inputs", Float.self, count: rows * droppedWidth) : nil
        let groups = model.blocks.flatMap(\.groups) + [[model.head]]
        lowRankWidth = groups.map { $0.reduce(0) { $0 + $1.savedWidth } }.max() ?? 0
        lowRank = plan.reserve("low-rank gradients", Float.self, count: rows * lowRankWidth)
        factors = plan.reserve(
            "transposed adapters", Float.self,
            count: groups.map { $0.reduce(0) { $0 + ($1.delta?.factorCount ?? 0) } }.max() ?? 0)
        // The head's reduction over the vocabulary is long, but only a chunk of rows goes through it.
        var bytes = max(
            context.productScratchByteCount(
                rows: capacity, dimension: model.largestBlockDimension,
                summed: training
                    ? model.blocks.flatMap(\.groups).map { $0.reduce(0) { $0 + $1.site.outputs } }.max() ?? 0 : 0,
                float32Dimension: max(lowRankWidth, shape.experts.map { max($0.count, shape.width) } ?? 0)),
            context.productScratchByteCount(
                rows: headRows, dimension: head?.packedLength ?? shape.width))
        if let shape = model.blocks.first?.attention {
            bytes = max(bytes, context.attentionForwardScratchByteCount(shape, longestSegment: largestSequence))
            bytes = max(bytes, context.attentionPrefillScratchByteCount(shape))
            bytes = max(bytes, context.attentionDecodeScratchByteCount(shape, length: cacheLength))
            if training {
                bytes = max(bytes, context.attentionBackwardScratchByteCount(shape, longestSegment: largestSequence))
            }
        }
        scratch = plan.reserve("product scratch", UInt8.self, count: bytes)
    }

    func run(
        _ arena: Arena, count: Int, _ context: ComputeContext, fewRows: Bool = false, overlaps: Bool = false
    ) -> AdapterRun {
        AdapterRun(
            context: context, scratch: Scratch(UnsafeMutableRawBufferPointer(arena.elements(scratch, as: UInt8.self))),
            dropped: dropped.map { arena.matrix($0, rows: count, columns: droppedWidth) },
            lowRank: arena.matrix(lowRank, rows: count, columns: lowRankWidth),
            factors: arena.matrix(
                factors, rows: 1, columns: arena.elements(factors, as: Float.self).count), fewRows: fewRows,
            overlaps: overlaps)
    }

    func shared(_ arena: Arena, count: Int, _ shape: DecoderConfiguration, layer: Int) -> SharedMemory {
        SharedMemory(
            normed: arena.matrix(normed, rows: count, columns: shape.width),
            activated: arena.matrix(activated, rows: count, columns: shape.feedForwardWidth(of: layer)),
            fused: fused.map { arena.matrix($0, rows: count, columns: shape.fusedWidth) },
            experts: experts?.scratch(arena, count: count))
    }
}

extension DecoderModel {
    /// Whether passes over whole sequences keep the inputs of the activation function in bfloat16: where products round
    /// their inputs to it anyway. Forward and backward then both compute with the rounded values.
    func narrowsActivations(_ context: ComputeContext) -> Bool {
        context.computeType == .bfloat16
            && blocks.allSatisfy { $0.linears.allSatisfy { $0.savedWidth <= context.largestFusedRank } }
    }
}
