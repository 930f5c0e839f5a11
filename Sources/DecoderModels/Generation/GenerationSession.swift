internal import Adapters
package import Kernels
internal import Layers
package import System
internal import Tensors

/// One sequence that grows: tokens go in, the logits of the last come out, keys and values stay in the cache.
package final class GenerationSession {
    private let model: DecoderModel
    private let context: ComputeContext
    private let cache: KeyValueCache
    private let workspace: Workspace
    private let blockSlots: BlockSlots
    private let hiddenSlot, logitsSlot, reciprocalSlot, savedSlot: ArenaSlot
    private let arena: Arena

    /// Tokens of a prompt that are taken at once: many rows share one dequantization of each weight.
    private static let prefillRows = 256
    /// Up to this many rows the products are bound by memory and walk the weights in place.
    private static let fewRows = 8

    /// - Parameter capacity: tokens of the prompt and of everything generated.
    package init(_ model: DecoderModel, capacity: Int, context: ComputeContext) {
        self.model = model
        self.context = context
        cache = KeyValueCache(model.configuration, capacity: capacity)
        let shape = model.configuration, rows = min(Self.prefillRows, capacity)
        var plan = ArenaPlan()
        hiddenSlot = plan.reserve("residual stream", Float.self, count: rows * shape.width)
        logitsSlot = plan.reserve("logits", Float.self, count: shape.vocabularySize)
        reciprocalSlot = plan.reserve("norm", Float.self, count: rows)
        savedSlot = plan.reserve("low-rank products of the head", Float.self, count: model.head.savedWidth)
        blockSlots = BlockSlots(
            &plan, name: "layer", tokens: rows, model, layers: model.blocks.indices, narrows: false)
        workspace = Workspace(
            &plan, model, capacity: rows, largestSequence: rows, cacheLength: capacity, training: false,
            context)
        arena = Arena(plan)
    }

    /// Tokens taken so far.
    package var count: Int { cache.count }

    /// Takes tokens (a prompt, or the token just chosen).
    ///
    /// - Returns: the logits [V] after the last of them, valid until the next call.
    package func take(_ ids: ArraySlice<Int32>) throws(Failure) -> UnsafeMutableBufferPointer<Float> {
        guard !ids.isEmpty, cache.count + ids.count <= cache.capacity else {
            fatalError("a generation of \(cache.capacity) tokens was asked for \(cache.count + ids.count)")
        }
        var start = ids.startIndex
        while start < ids.endIndex {
            let end = min(start + Self.prefillRows, ids.endIndex)
            forward(Array(ids[start..<end]), isLast: end == ids.endIndex)
            start = end
        }
        return arena.elements(logitsSlot, as: Float.self)
    }

    private func forward(_ ids: [Int32], isLast: Bool) {
        let shape = model.configuration, count = ids.count
        let hidden = arena.matrix(hiddenSlot, rows: count, columns: shape.width)
        let start = cache.count
        let positions = (start..<start + count).map { Int32($0) }
        let rows = [Int32](repeating: 0, count: count)
        withLayout(positions, rows) { tokens in
            let run = workspace.run(arena, count: count, context, fewRows: count <= Self.fewRows)
            model.embed(ids, tokens, into: hidden, context)
            for (layer, block) in model.blocks.enumerated() {
                block.forwardCached(
                    hidden, layer: layer, cache, blockSlots.memory(arena, count: count, shape: shape, layer: layer),
                    workspace.shared(arena, count: count, shape, layer: layer), tokens, run)
            }
            cache.advance(by: count)
            if isLast {
                let single = workspace.run(arena, count: 1, context, fewRows: true)
                let shared = workspace.shared(arena, count: count, shape, layer: 0)
                project(hidden.rows(count - 1..<count), shared, tokens, single)
            }
        }
    }

    /// Lends the layout of new tokens that stand at some positions of one sequence.
    private func withLayout(_ positions: [Int32], _ rows: [Int32], _ body: (TokenLayout) -> Void) {
        withUnsafePointer(to: Segment(start: 0, count: Int32(positions.count))) { segment in
            positions.withUnsafeBufferPointer { positions in
                rows.withUnsafeBufferPointer { rows in
                    guard let positionBase = positions.baseAddress, let rowBase = rows.baseAddress else { return }
                    body(
                        TokenLayout(
                            count: positions.count, segments: UnsafeBufferPointer(start: segment, count: 1),
                            positions: positionBase, rowIdentifiers: rowBase, dropoutStream: nil))
                }
            }
        }
    }

    /// Logits of one row of the residual stream.
    private func project(_ row: FloatMatrix, _ shared: SharedMemory, _ tokens: TokenLayout, _ run: AdapterRun) {
        let shape = model.configuration
        let logits = arena.matrix(logitsSlot, rows: 1, columns: shape.vocabularySize)
        let saved = arena.matrix(savedSlot, rows: 1, columns: model.head.savedWidth)
        let normed = shared.normed.rows(0..<1)
        context.run(
            model.finalNorm.forward(
                row, into: normed, reciprocals: arena.matrix(reciprocalSlot, rows: 1, columns: 1).base, context))
        withUnsafePointer(to: Segment(start: 0, count: 1)) { segment in
            let layout = TokenLayout(
                count: 1, segments: UnsafeBufferPointer(start: segment, count: 1), positions: tokens.positions,
                rowIdentifiers: tokens.rowIdentifiers, dropoutStream: nil)
            model.head.forward(normed, into: logits, saved: saved, layout, run)
            shape.logits.apply(logits, context)
        }
    }
}

extension DecoderBlock {
    /// The layer for new tokens of one sequence against its cache, in place.
    func forwardCached(
        _ hidden: FloatMatrix, layer: Int, _ cache: KeyValueCache, _ memory: BlockMemory, _ shared: SharedMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let context = run.context, start = cache.count, end = cache.count + hidden.rows
        let keys = cache.keys(layer: layer, rows: end), values = cache.values(layer: layer, rows: end)
        var memory = memory
        let computed = (key: memory.key, value: memory.value)
        memory.key = keys.rows(start..<end)
        memory.value = values.rows(start..<end)
        project(attentionInput(hidden, memory, shared, context), memory, shared, tokens, run)
        if memory.fused != nil {
            context.copy(computed.key, into: memory.key)
            context.copy(computed.value, into: memory.value)
        }
        context.run(rotations(memory.query, memory.key, tokens, lengths: { _ in end }, inverse: false, context))
        if hidden.rows == 1 {
            context.attentionDecode(
                q: memory.query.base, keys: keys, values: values, shape: attention, into: memory.attended.base,
                scratch: run.scratch.bytes)
        } else {
            context.attentionPrefill(
                q: memory.query, firstPosition: start, keys: keys, values: values, shape: attention,
                into: memory.attended, scratch: run.scratch.bytes)
        }
        addAttention(hidden, memory, tokens, run)
        feedForward(hidden, into: hidden, memory, shared, tokens, run)
    }
}
