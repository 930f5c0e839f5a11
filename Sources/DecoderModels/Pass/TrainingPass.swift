package import Adapters
package import Kernels
internal import Layers
package import Tensors

/// Forward and backward of micro-batches over one planned arena: nothing allocates inside the step.
package final class TrainingPass {
    /// What backward finds and what it computes again.
    package enum Recompute: String, CaseIterable, Sendable {
        /// Keep what every layer's backward needs.
        case none
        /// Keep each layer's input only and run its forward again: less memory, a third more time, the same bits.
        case all
    }

    private let model: DecoderModel
    private let context: ComputeContext
    private let capacity: Int
    private let recompute: Recompute
    private let head: LossHead
    private let hiddenSlots: [ArenaSlot]
    private let blockSlots: [BlockSlots]
    private let workspace: Workspace
    private let gradientSlots: GradientSlots
    private let arena: Arena
    /// What the arena holds, in bytes.
    package let plan: ArenaPlan

    /// Plans and takes the memory.
    ///
    /// - Parameters:
    ///   - model: with an adapter attached that has gradient memory.
    ///   - capacity: tokens of the largest micro-batch.
    ///   - largestSequence: tokens of the longest row.
    package convenience init(
        _ model: DecoderModel, capacity: Int, largestSequence: Int, recompute: Recompute, context: ComputeContext
    ) {
        self.init(
            model, Layout(model, capacity: capacity, largestSequence: largestSequence, recompute: recompute, context),
            context: context)
    }

    /// The memory a pass would take, itemised, without taking it.
    package static func plan(
        _ model: DecoderModel, capacity: Int, largestSequence: Int, recompute: Recompute, context: ComputeContext
    ) -> ArenaPlan {
        Layout(model, capacity: capacity, largestSequence: largestSequence, recompute: recompute, context).plan
    }

    private init(_ model: DecoderModel, _ layout: Layout, context: ComputeContext) {
        self.model = model
        self.context = context
        capacity = layout.capacity
        recompute = layout.recompute
        head = layout.head
        hiddenSlots = layout.hidden
        blockSlots = layout.blocks
        workspace = layout.workspace
        gradientSlots = layout.gradients
        plan = layout.plan
        arena = Arena(layout.plan)
    }

    /// Runs one micro-batch: adds adapter gradients of gradientScale times the summed loss, and returns the losses.
    ///
    /// - Parameters:
    ///   - gradientScale: 1 / supervised tokens of the whole optimizer step.
    ///   - balance: the routers' auxiliary loss, whose gradients are added too. One that is not complete takes this
    ///     micro-batch for the whole step.
    /// - Returns: for each sequence, its summed loss in double precision and how many tokens were scored.
    package func run(
        _ batch: TokenBatch, gradientScale: Float, dropout: DropoutStream?, balance: RouterBalance? = nil
    ) -> [(loss: Double, count: Int)] {
        batch.withLayout(dropout: dropout) { tokens in
            // Routers read what products make; other layers begin each of their parts with a region.
            let run = workspace.run(
                arena, count: batch.count, context, overlaps: model.configuration.experts == nil)
            let counting = balance.flatMap { $0.isComplete ? nil : $0 }
            let hidden = forward(batch, layers: model.blocks.count, counting, tokens, run)
            counting?.complete()
            let dHidden = gradients(0, batch.count).hidden
            context.clear(dHidden.base, count: dHidden.count)
            let scored = batch.targets.indices.filter { batch.targets[$0] != -100 }
            let losses = head.run(
                hidden[model.blocks.count], scored: scored, targets: batch.targets, gradientScale: gradientScale,
                dHidden: dHidden, arena, tokens, run)
            backward(hidden, balance, tokens, run)
            return Self.sums(losses, scored: scored, batch)
        }
    }

    /// Adds the routings of one micro-batch to `balance`; a forward up to the last layer with experts.
    package func count(_ batch: TokenBatch, dropout: DropoutStream?, into balance: RouterBalance) {
        guard let last = model.configuration.experts?.layers.lastIndex(of: true) else { return }
        batch.withLayout(dropout: dropout) { tokens in
            let run = workspace.run(arena, count: batch.count, context)
            _ = forward(batch, layers: last + 1, balance, tokens, run)
        }
    }

    /// Runs the first layers; returns the residual stream before each and after the last of them.
    private func forward(
        _ batch: TokenBatch, layers: Int, _ balance: RouterBalance?, _ tokens: TokenLayout, _ run: AdapterRun
    ) -> [FloatMatrix] {
        guard batch.count <= capacity else {
            fatalError("a micro-batch of \(batch.count) tokens exceeds the planned \(capacity)")
        }
        let hidden = hiddenSlots.map { arena.matrix($0, rows: batch.count, columns: model.configuration.width) }
        model.embed(batch.ids, tokens, into: hidden[0], context)
        for (layer, block) in model.blocks.prefix(layers).enumerated() {
            let memory = memory(layer, batch.count)
            block.forward(
                hidden[layer], into: hidden[layer + 1], memory, shared(layer, batch.count), tokens, run)
            if let balance, let experts = memory.experts { balance.add(experts.routing, layer: layer) }
        }
        context.finish()
        return hidden
    }

    private func backward(
        _ hidden: [FloatMatrix], _ balance: RouterBalance?, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        if let balance, let place = shared(0, tokens.count).experts?.gradients?.balance { balance.fillGradient(place) }
        let lowest = model.lowestAdaptedLayer ?? model.blocks.count
        var unfinished: [RowPass] = []
        for layer in stride(from: model.blocks.count - 1, through: lowest, by: -1) {
            let memory = memory(layer, tokens.count)
            var shared = shared(layer, tokens.count)
            shared.balancesExperts = balance != nil
            let gradients = gradients(layer, tokens.count)
            if recompute == .all, layer < model.blocks.count - 1 {
                // The layer above read its memory, which is this one's.
                context.run(unfinished)
                unfinished = []
                model.blocks[layer].forward(hidden[layer], into: hidden[layer + 1], memory, shared, tokens, run)
            }
            unfinished = model.blocks[layer].backward(
                gradients.hidden, filling: unfinished, input: hidden[layer], needsInputGradient: layer > lowest, memory,
                shared, gradients.layer, tokens, run)
        }
        context.finish()
    }

    private func memory(_ layer: Int, _ count: Int) -> BlockMemory {
        blockSlots[recompute == .all ? 0 : layer]
            .memory(arena, count: count, shape: model.configuration, layer: layer)
    }

    private func shared(_ layer: Int, _ count: Int) -> SharedMemory {
        workspace.shared(arena, count: count, model.configuration, layer: layer)
    }

    private func gradients(_ layer: Int, _ count: Int) -> (hidden: FloatMatrix, layer: GradientMemory) {
        gradientSlots.memory(arena, count: count, shape: model.configuration, layer: layer)
    }

    /// Sums the losses of each sequence, token after token.
    private static func sums(_ losses: [Float], scored: [Int], _ batch: TokenBatch) -> [(loss: Double, count: Int)] {
        var next = 0
        return batch.segments.map { segment in
            let end = Int(segment.start) + Int(segment.count)
            var loss = 0.0, count = 0
            while next < scored.count, scored[next] < end {
                loss += Double(losses[next])
                count += 1
                next += 1
            }
            return (loss, count)
        }
    }
}

extension TrainingPass {
    /// Every slot of a training pass, before its memory exists.
    private struct Layout {
        let plan: ArenaPlan
        let capacity: Int
        let recompute: Recompute
        let hidden: [ArenaSlot]
        let blocks: [BlockSlots]
        let workspace: Workspace
        let gradients: GradientSlots
        let head: LossHead

        init(
            _ model: DecoderModel, capacity: Int, largestSequence: Int, recompute: Recompute, _ context: ComputeContext
        ) {
            var plan = ArenaPlan()
            let shape = model.configuration
            self.capacity = capacity
            self.recompute = recompute
            hidden = (0...model.blocks.count).map {
                plan.reserve("layer \($0): input", Float.self, count: capacity * shape.width)
            }
            blocks = (0..<(recompute == .all ? 1 : model.blocks.count)).map { layer in
                BlockSlots(
                    &plan, name: recompute == .all ? "layer" : "layer \(layer)", tokens: capacity, model,
                    layers: recompute == .all ? model.blocks.indices : layer..<layer + 1,
                    narrows: model.narrowsActivations(context))
            }
            gradients = GradientSlots(&plan, tokens: capacity, shape: shape)
            head = LossHead(&plan, model, largestRows: capacity, keepsLogits: false, context)
            workspace = Workspace(
                &plan, model, capacity: capacity, largestSequence: largestSequence, head: head,
                training: true, context)
            self.plan = plan
        }
    }
}
