package import Adapters
package import Kernels
package import Layers
package import Tensors

/// One layer: h += o(attention(rotate(q, k), v)); h += down(act(gate) · up), each of the normalised residual stream. Experts
/// may stand in the place of the latter (`SparseBlock.swift`).
///
/// What a family has differently stands in the parts: norms that are nil are not applied, a parallel block feeds both
/// branches from the same residual stream. Forward and backward stand side by side; what passes between them is
/// `BlockMemory`.
package struct DecoderBlock {
    package let norms: BlockNorms
    /// The linears in the order of the reference's modules.
    package private(set) var linears: [AdaptedLinear]
    let places: LinearPlaces
    package let attention: AttentionShape
    /// nil where queries and keys are not rotated.
    package let rotary: RotaryEmbedding?
    let design: BlockDesign
    /// The experts that stand in the place of the feed-forward layer; nil where it is dense.
    package private(set) var experts: SparseFeedForward?

    init(
        norms: BlockNorms, linears: [AdaptedLinear], places: LinearPlaces, attention: AttentionShape,
        rotary: RotaryEmbedding?, design: BlockDesign, experts: SparseFeedForward?
    ) {
        self.norms = norms
        self.linears = linears
        self.places = places
        self.attention = attention
        self.rotary = rotary
        self.design = design
        self.experts = experts
    }

    /// The linears that share an input.
    package var groups: [[AdaptedLinear]] {
        let attention = [places.queryKeyValue, places.query, places.key, places.value].compactMap(\.self)
        let feedForward = places.feedForward.map { places in
            [places.gateUp.map { [$0] } ?? [places.gate, places.up].compactMap(\.self), [places.down]]
        }
        let single = [places.router, places.sharedGate].compactMap { $0.map { [$0] } }
        let groups = [attention, [places.output]] + (feedForward ?? []) + single
        return groups.map { $0.map { linears[$0] } } + (experts?.groups ?? [])
    }

    /// Whether any linear of the layer has an adapter.
    package var isAdapted: Bool { linears.contains { $0.delta != nil } || experts?.isAdapted ?? false }

    /// Replaces each linear by what `transform` makes of it as the copy with that index, 0 outside of stacked experts.
    package mutating func updateLinears(_ transform: (AdaptedLinear, _ copy: Int) -> AdaptedLinear) {
        linears = linears.map { transform($0, 0) }
        experts?.updateLinears(transform)
    }

    /// `result` [M, C] from `input` [M, C], which stays as it is unless `result` is the same memory.
    package func forward(
        _ input: FloatMatrix, into result: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let context = run.context
        project(attentionInput(input, memory, shared, context), memory, shared, tokens, run)
        rotate(memory.query, heads: attention.queryHeads, tokens, inverse: false, context)
        rotate(memory.key, heads: attention.keyValueHeads, tokens, inverse: false, context)
        context.attentionForward(
            q: memory.query, k: memory.key, v: memory.value, segments: tokens.segments, shape: attention,
            into: memory.attended, logSumExp: memory.logSumExp, scratch: run.scratch.bytes)
        addAttention(input, memory, tokens, run)
        feedForward(input, into: result, memory, shared, tokens, run)
    }

    /// middle = input + o(attended).
    func addAttention(_ input: FloatMatrix, _ memory: BlockMemory, _ tokens: TokenLayout, _ run: AdapterRun) {
        addBranch(
            places.output, memory.attended, memory.attentionOutput, norms.attentionOutput, to: input,
            into: memory.middle, memory, tokens, run)
    }

    /// `result` = middle + down(act(gate) · up), or middle + what experts give.
    func feedForward(
        _ input: FloatMatrix, into result: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let x = feedForwardInput(input, memory, shared, run.context, isFirst: false)
        if let experts { return sparseForward(experts, x, into: result, memory, shared, tokens, run) }
        guard let places = places.feedForward else { fatalError("a layer has neither projections nor experts") }
        activatedProducts(places, x, memory, shared, tokens, run)
        addBranch(
            places.down, shared.activated, memory.feedForwardOutput, norms.feedForwardOutput, to: memory.middle,
            into: result, memory, tokens, run)
    }

    /// What `down` reads, act(gate(x)) · up(x), in the shared memory.
    func activatedProducts(
        _ places: LinearPlaces.FeedForward, _ x: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        if let gateUp = places.gateUp, let both = memory.gateUp {
            apply([(gateUp, .float32(both))], x, memory, tokens, run)
        } else {
            var products = [(places.gate, memory.gate)]
            if let up = places.up, let product = memory.up { products.append((up, product)) }
            apply(products, x, memory, tokens, run)
        }
        run.context.activate(design.activation, gate: memory.gate, up: memory.up, into: shared.activated)
    }

    /// Turns dH [M, C], the gradient with respect to the layer's result, into that with respect to `input`, and adds
    /// parameter gradients. `needsInputGradient` is false where nothing below is trained: then dH is left undefined.
    ///
    /// Gate, up, query, key and value of `memory` are used up.
    package func backward(
        _ dH: FloatMatrix, input: FloatMatrix, needsInputGradient: Bool, _ memory: BlockMemory, _ shared: SharedMemory,
        _ gradients: GradientMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let context = run.context
        feedForwardBackward(dH, input, memory, shared, gradients, tokens, run)
        if !design.isParallel { finishFeedForwardInput(dH, x: memory.middle, memory, gradients, context) }

        let dBranch = branchGradient(dH, memory.attentionOutput, norms.attentionOutput, gradients, context)
        applyBackward(
            [(places.output, dBranch)], x: memory.attended, into: gradients.attended, adding: false, memory, tokens, run
        )
        // Only now has the gradient of both branches' sum served its purpose.
        if design.isParallel { finishFeedForwardInput(dH, x: input, memory, gradients, context) }
        context.attentionBackward(
            gradients.attended, q: memory.query, k: memory.key, v: memory.value, out: memory.attended,
            logSumExp: memory.logSumExp, segments: tokens.segments, shape: attention, into: gradients.query,
            gradients.key, gradients.value, scratch: run.scratch.bytes)
        rotate(gradients.query, heads: attention.queryHeads, tokens, inverse: true, context)
        rotate(gradients.key, heads: attention.keyValueHeads, tokens, inverse: true, context)
        let x = attentionInput(input, memory, shared, context)
        // A feed-forward layer that reads what attention reads has left its gradient where this one is added.
        let target = norms.input == nil ? dH : gradients.normed
        projectBackward(
            x, into: needsInputGradient ? target : nil, adding: norms.input == nil || design.sharesInput, memory,
            gradients, tokens, run)
        if needsInputGradient, let norm = norms.input {
            norm.backward(
                gradients.normed, x: input, reciprocals: memory.inputReciprocals, into: dH, adding: true, context)
        }
    }

    /// From dH to the gradient of what the feed-forward layer reads: in `gradients.normed`, or, where it reads the middle
    /// itself, added to dH.
    private func feedForwardBackward(
        _ dH: FloatMatrix, _ input: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory,
        _ gradients: GradientMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let dBranch = branchGradient(dH, memory.feedForwardOutput, norms.feedForwardOutput, gradients, run.context)
        let x = feedForwardInput(input, memory, shared, run.context, isFirst: true)
        let readsStream = norms.feedForward == nil && !design.sharesInput
        let target = readsStream ? dH : gradients.normed
        if let experts {
            sparseBackward(experts, dBranch, x: x, into: target, memory, shared, gradients, tokens, run)
        } else if let places = places.feedForward {
            activatedBackward(
                places, dBranch, x: x, into: target, adding: readsStream, memory, shared, gradients, tokens, run)
        }
    }

    /// From dY, the gradient of what `down` gives, to that of x: written to dX, or added.
    func activatedBackward(
        _ places: LinearPlaces.FeedForward, _ dY: FloatMatrix, x: FloatMatrix, into dX: FloatMatrix, adding: Bool,
        _ memory: BlockMemory, _ shared: SharedMemory, _ gradients: GradientMemory, _ tokens: TokenLayout,
        _ run: AdapterRun
    ) {
        let context = run.context
        context.activate(design.activation, gate: memory.gate, up: memory.up, into: shared.activated)
        applyBackward(
            [(places.down, dY)], x: shared.activated, into: gradients.activated, adding: false, memory, tokens, run)
        // Gradients take the place of what they are made of: of gate and up, or, where those are bfloat16, of the gradient
        // and the activations that have served their purpose.
        let dGate = memory.gate.float32 ?? gradients.activated
        let dUp = memory.up.map { $0.float32 ?? shared.activated }
        context.activateBackward(
            design.activation, gradients.activated, gate: memory.gate, up: memory.up, into: dGate, dUp)
        var products = [(places.gate, dGate)]
        if let up = places.up, let dUp { products.append((up, dUp)) }
        if let gateUp = places.gateUp, let both = memory.gateUp { products = [(gateUp, both)] }
        applyBackward(products, x: x, into: dX, adding: adding, memory, tokens, run)
    }

    /// Takes the gradient of the feed-forward layer's input through its norm to dH.
    private func finishFeedForwardInput(
        _ dH: FloatMatrix, x: FloatMatrix, _ memory: BlockMemory, _ gradients: GradientMemory,
        _ context: ComputeContext
    ) {
        norms.feedForward?.backward(
            gradients.normed, x: x, reciprocals: memory.middleReciprocals, into: dH, adding: true, context)
    }
}

// MARK: - Inputs and ends of the branches

extension DecoderBlock {
    /// What attention reads.
    func attentionInput(
        _ input: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory, _ context: ComputeContext
    ) -> FloatMatrix {
        guard let norm = norms.input else { return input }
        norm.forward(input, into: shared.normed, reciprocals: memory.inputReciprocals, context)
        return shared.normed
    }

    /// What the feed-forward layer reads.
    ///
    /// - Parameter isFirst: whether a shared input was not computed yet.
    private func feedForwardInput(
        _ input: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory, _ context: ComputeContext, isFirst: Bool
    ) -> FloatMatrix {
        if design.sharesInput { return isFirst ? attentionInput(input, memory, shared, context) : shared.normed }
        let x = design.isParallel ? input : memory.middle
        guard let norm = norms.feedForward else { return x }
        norm.forward(x, into: shared.normed, reciprocals: memory.middleReciprocals, context)
        return shared.normed
    }

    /// `result` = stream + a branch's last linear of x, normalised and scaled where the design asks for it.
    private func addBranch(
        _ place: Int, _ x: FloatMatrix, _ saved: BlockMemory.OutputNormMemory?, _ norm: Norm?, to stream: FloatMatrix,
        into result: FloatMatrix, _ memory: BlockMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        guard saved != nil || design.residualScale != 1 else {
            return linears[place].forward(
                x, into: result, addend: stream, saved: memory.saved[place], tokens, run)
        }
        apply([(place, .float32(saved?.branch ?? result))], x, memory, tokens, run)
        if let saved, let norm {
            norm.forward(saved.branch, into: result, reciprocals: saved.reciprocals, run.context)
        }
        if design.residualScale != 1 { run.context.scale(result, by: design.residualScale, into: result) }
        run.context.add(stream, into: result)
    }

    /// The gradient of a branch before norm and scale; dH stays as it is.
    private func branchGradient(
        _ dH: FloatMatrix, _ saved: BlockMemory.OutputNormMemory?, _ norm: Norm?, _ gradients: GradientMemory,
        _ context: ComputeContext
    ) -> FloatMatrix {
        guard let branch = gradients.branch else { return dH }
        context.scale(dH, by: design.residualScale, into: branch)
        if let saved, let norm {
            norm.backward(
                branch, x: saved.branch, reciprocals: saved.reciprocals, into: branch, adding: false, context)
        }
        return branch
    }

    func rotate(_ x: FloatMatrix, heads: Int, _ tokens: TokenLayout, inverse: Bool, _ context: ComputeContext) {
        rotary?.rotate(
            x, heads: heads, positions: tokens.positions, segments: tokens.segments, lengths: { Int($0.count) },
            inverse: inverse, context)
    }

    /// Linears of one input, each into its matrix.
    func apply(
        _ products: [(place: Int, y: ActivationMatrix)], _ x: FloatMatrix, _ memory: BlockMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let outputs = products.map { AdaptedOutput(linears[$0.place], $0.y, saved: memory.saved[$0.place]) }
        AdaptedLinear.forward(x, outputs, tokens, run)
    }

    /// From the gradients of what linears of one input made to that of the input, their sum.
    func applyBackward(
        _ products: [(place: Int, dY: FloatMatrix)], x: FloatMatrix, into dX: FloatMatrix?, adding: Bool,
        _ memory: BlockMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let gradients = products.map { AdaptedGradient(linears[$0.place], $0.dY, saved: memory.saved[$0.place]) }
        AdaptedLinear.backward(gradients, x: x, into: dX, adding: adding, tokens, run)
    }
}
