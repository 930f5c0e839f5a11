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
        context.run(rotations(memory.query, memory.key, tokens, lengths: { Int($0.count) }, inverse: false, context))
        context.attentionForward(
            q: memory.query, k: memory.key, v: memory.value, segments: tokens.segments, shape: attention,
            into: memory.attended, logSumExp: memory.logSumExp, scratch: run.scratch.bytes)
        addAttention(input, memory, tokens, run)
        feedForward(input, into: result, memory, shared, tokens, run)
    }

    /// middle = input + o(attended).
    func addAttention(_ input: FloatMatrix, _ memory: BlockMemory, _ tokens: TokenLayout, _ run: AdapterRun) {
        addBranch(
            places.output, BranchInput(matrix: memory.attended), memory.attentionOutput, norms.attentionOutput,
            to: input,
            into: memory.middle, memory, tokens, run)
    }

    /// `result` = middle + down(act(gate) · up), or middle + what experts give.
    func feedForward(
        _ input: FloatMatrix, into result: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let x = feedForwardInput(input, memory, shared, run.context, isFirst: false)
        if let experts {
            run.context.run(x.filling)
            return sparseForward(experts, x.matrix, into: result, memory, shared, tokens, run)
        }
        guard let places = places.feedForward else { fatalError("a layer has neither projections nor experts") }
        let activation = activatedProducts(places, x, memory, shared, tokens, run)
        addBranch(
            places.down, BranchInput(matrix: shared.activated, filling: [activation], isReadOnce: true),
            memory.feedForwardOutput, norms.feedForwardOutput, to: memory.middle, into: result, memory, tokens, run)
    }

    /// Fills gate(x) and up(x).
    ///
    /// - Returns: the pass that makes what `down` reads of them, act(gate(x)) · up(x), in the shared memory.
    func activatedProducts(
        _ places: LinearPlaces.FeedForward, _ x: BranchInput, _ memory: BlockMemory, _ shared: SharedMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) -> RowPass {
        if let gateUp = places.gateUp, let both = memory.gateUp {
            apply([(gateUp, .float32(both))], x, memory, tokens, run)
        } else {
            var products = [(places.gate, memory.gate)]
            if let up = places.up, let product = memory.up { products.append((up, product)) }
            apply(products, x, memory, tokens, run)
        }
        return run.context.activate(design.activation, gate: memory.gate, up: memory.up, into: shared.activated)
    }

    /// Turns dH [M, C], the gradient with respect to the layer's result, into that with respect to `input`, and adds
    /// parameter gradients. `needsInputGradient` is false where nothing below is trained: then dH is left undefined.
    ///
    /// Gate, up, query, key and value of `memory` are used up.
    ///
    /// - Parameter filling: passes that finish dH.
    /// - Returns: passes that finish dH, before `memory` and `gradients` are used for anything but the backward of the layer
    ///   below.
    package func backward(
        _ dH: FloatMatrix, filling: [RowPass], input: FloatMatrix, needsInputGradient: Bool, _ memory: BlockMemory,
        _ shared: SharedMemory, _ gradients: GradientMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) -> [RowPass] {
        let context = run.context
        feedForwardBackward(
            BranchInput(matrix: dH, filling: filling), input, memory, shared, gradients, tokens, run)
        // In a parallel block dH is needed as it is until both branches have read it.
        let ofMiddle = feedForwardInputGradient(
            dH, x: design.isParallel ? input : memory.middle, memory, gradients, context)
        let dBranch = branchGradient(
            BranchInput(matrix: dH, filling: design.isParallel ? [] : ofMiddle), memory.attentionOutput,
            norms.attentionOutput, gradients, context)
        applyBackward(
            [(places.output, dBranch.matrix)], filling: dBranch.filling, x: BranchInput(matrix: memory.attended),
            into: gradients.attended, adding: false, memory, tokens, run)
        if design.isParallel { context.run(ofMiddle) }
        context.attentionBackward(
            gradients.attended, q: memory.query, k: memory.key, v: memory.value, out: memory.attended,
            logSumExp: memory.logSumExp, segments: tokens.segments, shape: attention, into: gradients.query,
            gradients.key, gradients.value, scratch: run.scratch.bytes)
        let x = attentionInput(input, memory, shared, context)
        // A feed-forward layer that reads what attention reads has left its gradient where this one is added.
        let target = norms.input == nil ? dH : gradients.normed
        projectBackward(
            x, into: needsInputGradient ? target : nil, adding: norms.input == nil || design.sharesInput, memory,
            gradients, tokens, run)
        guard needsInputGradient, let norm = norms.input else { return [] }
        return [
            norm.backward(
                gradients.normed, x: input, reciprocals: memory.inputReciprocals, into: dH, adding: true, context)
        ]
    }

    /// From dH to the gradient of what the feed-forward layer reads: in `gradients.normed`, or, where it reads the middle
    /// itself, added to dH.
    private func feedForwardBackward(
        _ dH: BranchInput, _ input: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory,
        _ gradients: GradientMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let dBranch = branchGradient(dH, memory.feedForwardOutput, norms.feedForwardOutput, gradients, run.context)
        let x = feedForwardInput(input, memory, shared, run.context, isFirst: true)
        let readsStream = norms.feedForward == nil && !design.sharesInput
        let target = readsStream ? dH.matrix : gradients.normed
        if let experts {
            run.context.run(dBranch.filling)
            run.context.run(x.filling)
            sparseBackward(experts, dBranch.matrix, x: x.matrix, into: target, memory, shared, gradients, tokens, run)
        } else if let places = places.feedForward {
            activatedBackward(
                places, dBranch, x: x, into: target, adding: readsStream, memory, shared, gradients, tokens, run)
        }
    }

    /// From dY, the gradient of what `down` gives, to that of x: written to dX, or added.
    func activatedBackward(
        _ places: LinearPlaces.FeedForward, _ dY: BranchInput, x: BranchInput, into dX: FloatMatrix, adding: Bool,
        _ memory: BlockMemory, _ shared: SharedMemory, _ gradients: GradientMemory, _ tokens: TokenLayout,
        _ run: AdapterRun
    ) {
        let context = run.context
        let activated = BranchInput(
            matrix: shared.activated,
            filling: [context.activate(design.activation, gate: memory.gate, up: memory.up, into: shared.activated)])
        applyBackward(
            [(places.down, dY.matrix)], filling: dY.filling, x: activated, into: gradients.activated, adding: false,
            memory, tokens, run)
        // Gradients take the place of what they are made of: of gate and up, or, where those are bfloat16, of the gradient
        // and the activations that have served their purpose.
        let dGate = memory.gate.float32 ?? gradients.activated
        let dUp = memory.up.map { $0.float32 ?? shared.activated }
        let pass = context.activateBackward(
            design.activation, gradients.activated, gate: memory.gate, up: memory.up, into: dGate, dUp)
        var products = [(places.gate, dGate)]
        if let up = places.up, let dUp { products.append((up, dUp)) }
        if let gateUp = places.gateUp, let both = memory.gateUp { products = [(gateUp, both)] }
        applyBackward(products, filling: [pass], x: x, into: dX, adding: adding, memory, tokens, run)
    }

    /// The pass that takes the gradient of the feed-forward layer's input through its norm to dH.
    private func feedForwardInputGradient(
        _ dH: FloatMatrix, x: FloatMatrix, _ memory: BlockMemory, _ gradients: GradientMemory,
        _ context: ComputeContext
    ) -> [RowPass] {
        guard let norm = norms.feedForward else { return [] }
        return [
            norm.backward(
                gradients.normed, x: x, reciprocals: memory.middleReciprocals, into: dH, adding: true, context)
        ]
    }
}
