internal import Adapters
internal import Glibc
internal import Kernels
internal import Tensors

/// The feed-forward branch of a layer with experts: h += Σ wₑ·expertₑ(x) + σ(gate(x))·shared(x), the latter where there is an
/// expert for all tokens.
extension DecoderBlock {
    /// `result` = middle + what the experts give.
    func sparseForward(
        _ experts: SparseFeedForward, _ x: FloatMatrix, into result: FloatMatrix, _ memory: BlockMemory,
        _ shared: SharedMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        guard let kept = memory.experts, let scratch = shared.experts, let router = places.router else {
            fatalError("experts without memory")
        }
        let context = run.context, routing = kept.routing
        let logits = FloatMatrix(base: routing.probabilities, rows: x.rows, columns: experts.design.count)
        apply([(router, .float32(logits))], BranchInput(matrix: x), memory, tokens, run)
        context.measured("routing") { routing.choose(normalizes: experts.design.normalizes) }
        context.copy(memory.middle, into: result)
        experts.forward(x, addingTo: result, kept, scratch, tokens, run)
        guard let common = kept.shared, let gate = places.sharedGate, let feedForward = places.feedForward else {
            return
        }
        apply([(gate, .float32(common.share))], BranchInput(matrix: x), memory, tokens, run)
        for row in 0..<x.rows { common.share.base[row] = 1 / (1 + expf(-common.share.base[row])) }
        let activation = activatedProducts(feedForward, BranchInput(matrix: x), memory, shared, tokens, run)
        apply(
            [(feedForward.down, .float32(common.output))],
            BranchInput(matrix: shared.activated, filling: [activation], isReadOnce: true), memory, tokens, run)
        context.addRows(common.output, scaledBy: common.share.base, into: result)
    }

    /// Writes the gradient with respect to x to dX [M, C].
    func sparseBackward(
        _ experts: SparseFeedForward, _ dY: FloatMatrix, x: FloatMatrix, into dX: FloatMatrix, _ memory: BlockMemory,
        _ shared: SharedMemory, _ gradients: GradientMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        guard let kept = memory.experts, let scratch = shared.experts, let own = scratch.gradients,
            let router = places.router
        else { fatalError("experts without memory for gradients") }
        let context = run.context, input = BranchInput(matrix: x)
        experts.backward(dY, x: x, into: dX, kept, scratch, tokens, run)
        context.measured("routing") {
            kept.routing.logitGradients(
                products: own.products, normalizes: experts.design.normalizes,
                balance: shared.balancesExperts ? own.balance : nil, into: own.logits.base)
        }
        applyBackward([(router, own.logits)], x: input, into: dX, adding: true, memory, tokens, run)
        guard let common = kept.shared, let gate = places.sharedGate, let feedForward = places.feedForward else {
            return
        }
        // The gradient of σ(z) is σ(z)·(1 − σ(z)). Rows of the experts have served their purpose.
        let dLogit = FloatMatrix(base: own.products, rows: x.rows, columns: 1), dOutput = scratch.into.rows(0..<x.rows)
        context.dotRows(dY, common.output, into: dLogit.base)
        for row in 0..<x.rows { dLogit.base[row] *= common.share.base[row] * (1 - common.share.base[row]) }
        applyBackward([(gate, dLogit)], x: input, into: dX, adding: true, memory, tokens, run)
        context.scaleRows(dY, by: common.share.base, into: dOutput)
        activatedBackward(
            feedForward, BranchInput(matrix: dOutput), x: input, into: dX, adding: true, memory, shared, gradients,
            tokens,
            run)
    }
}
