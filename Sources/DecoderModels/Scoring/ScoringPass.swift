internal import Adapters
package import Kernels
internal import Layers
package import Tensors

/// Forward of whole sequences for their losses, keeping nothing for a backward.
package final class ScoringPass {
    private let model: DecoderModel
    private let context: ComputeContext
    private let head: LossHead
    private let hiddenSlot: ArenaSlot
    private let blockSlots: BlockSlots
    private let workspace: Workspace
    private let arena: Arena
    /// Tokens of the largest batch.
    package let capacity: Int
    /// What the arena holds, in bytes.
    package let plan: ArenaPlan

    /// Plans and takes the memory for batches of up to `capacity` tokens.
    package init(_ model: DecoderModel, capacity: Int, context: ComputeContext) {
        self.model = model
        self.context = context
        self.capacity = capacity
        var plan = ArenaPlan()
        hiddenSlot = plan.reserve("residual stream", Float.self, count: capacity * model.configuration.width)
        blockSlots = BlockSlots(
            &plan, name: "layer", tokens: capacity, model, layers: model.blocks.indices,
            narrows: model.narrowsActivations(context))
        head = LossHead(&plan, model, largestRows: capacity, keepsLogits: true, context)
        workspace = Workspace(
            &plan, model, capacity: capacity, largestSequence: capacity, head: head, training: false,
            context)
        self.plan = plan
        arena = Arena(plan)
    }

    /// Negative log-likelihoods (natural logarithm) of every target other than -100, in the order of the batch's rows.
    ///
    /// - Parameter observer: called with each chunk of logits and the tokens they belong to.
    package func run(_ batch: TokenBatch, observer: LossHead.LogitsObserver? = nil) -> [Float] {
        forward(batch)
        return losses(batch, scored: batch.targets.indices.filter { batch.targets[$0] != -100 }, observer: observer)
    }

    /// Computes the residual stream of a batch; it stays until the next forward.
    package func forward(_ batch: TokenBatch) {
        guard batch.count <= capacity else {
            fatalError("a batch of \(batch.count) tokens exceeds the planned \(capacity)")
        }
        batch.withLayout(dropout: nil) { tokens in
            let run = workspace.run(arena, count: batch.count, context)
            let shape = model.configuration
            let hidden = arena.matrix(hiddenSlot, rows: batch.count, columns: model.configuration.width)
            model.embed(batch.ids, tokens, into: hidden, context)
            for (layer, block) in model.blocks.enumerated() {
                block.forward(
                    hidden, into: hidden, blockSlots.memory(arena, count: batch.count, shape: shape, layer: layer),
                    workspace.shared(arena, count: batch.count, shape, layer: layer), tokens, run)
            }
        }
    }

    /// Negative log-likelihoods of the targets of some tokens of the batch that `forward` was given last.
    ///
    /// - Parameters:
    ///   - scored: tokens with a target, ascending.
    ///   - observer: as that of `run`.
    package func losses(_ batch: TokenBatch, scored: [Int], observer: LossHead.LogitsObserver? = nil) -> [Float] {
        batch.withLayout(dropout: nil) { tokens in
            let run = workspace.run(arena, count: batch.count, context)
            let hidden = arena.matrix(hiddenSlot, rows: batch.count, columns: model.configuration.width)
            return head.run(
                hidden, scored: scored, targets: batch.targets, gradientScale: 1, dHidden: nil, arena, tokens, run,
                observer: observer)
        }
    }
}
