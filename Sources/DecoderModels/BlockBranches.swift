internal import Adapters
internal import Kernels
internal import Layers
internal import Tensors

/// A matrix [M, C], and the passes over its rows that fill it before it is read.
struct BranchInput {
    let matrix: FloatMatrix
    var filling: [RowPass] = []
    /// Whether the matrix is read by one group of linears alone.
    var isReadOnce = false
}

extension DecoderBlock {
    /// What attention reads.
    func attentionInput(
        _ input: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory, _ context: ComputeContext
    ) -> BranchInput {
        guard let norm = norms.input else { return BranchInput(matrix: input) }
        let pass = norm.forward(input, into: shared.normed, reciprocals: memory.inputReciprocals, context)
        return BranchInput(matrix: shared.normed, filling: [pass], isReadOnce: !design.sharesInput)
    }

    /// What the feed-forward layer reads.
    ///
    /// - Parameter isFirst: whether a shared input was not computed yet.
    func feedForwardInput(
        _ input: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory, _ context: ComputeContext, isFirst: Bool
    ) -> BranchInput {
        if design.sharesInput {
            return isFirst
                ? attentionInput(input, memory, shared, context) : BranchInput(matrix: shared.normed)
        }
        let x = design.isParallel ? input : memory.middle
        guard let norm = norms.feedForward else { return BranchInput(matrix: x) }
        let pass = norm.forward(x, into: shared.normed, reciprocals: memory.middleReciprocals, context)
        return BranchInput(matrix: shared.normed, filling: [pass], isReadOnce: true)
    }

    /// `result` = stream + a branch's last linear of x, normalised and scaled where the design asks for it.
    func addBranch(
        _ place: Int, _ x: BranchInput, _ saved: BlockMemory.OutputNormMemory?, _ norm: Norm?,
        to stream: FloatMatrix, into result: FloatMatrix, _ memory: BlockMemory, _ tokens: TokenLayout,
        _ run: AdapterRun
    ) {
        guard saved != nil || design.residualScale != 1 else {
            let output = AdaptedOutput(
                linears[place], .float32(result), addend: stream, saved: memory.saved[place])
            return AdaptedLinear.forward(
                x.matrix, [output], filling: x.filling, keepsInput: !x.isReadOnce, tokens, run)
        }
        apply([(place, .float32(saved?.branch ?? result))], x, memory, tokens, run)
        if let saved, let norm {
            run.context.run(
                norm.forward(saved.branch, into: result, reciprocals: saved.reciprocals, run.context))
        }
        if design.residualScale != 1 { run.context.scale(result, by: design.residualScale, into: result) }
        run.context.add(stream, into: result)
    }

    /// The gradient of a branch before norm and scale; dH stays as its passes leave it.
    func branchGradient(
        _ dH: BranchInput, _ saved: BlockMemory.OutputNormMemory?, _ norm: Norm?, _ gradients: GradientMemory,
        _ context: ComputeContext
    ) -> BranchInput {
        guard let branch = gradients.branch else { return dH }
        context.run(dH.filling)
        context.scale(dH.matrix, by: design.residualScale, into: branch)
        guard let saved, let norm else { return BranchInput(matrix: branch) }
        let pass = norm.backward(
            branch, x: saved.branch, reciprocals: saved.reciprocals, into: branch, adding: false, context)
        return BranchInput(matrix: branch, filling: [pass])
    }

    /// The passes that rotate queries and keys, or turn their gradients back.
    ///
    /// - Parameter lengths: the length that each segment's frequencies are chosen by.
    func rotations(
        _ query: FloatMatrix, _ key: FloatMatrix, _ tokens: TokenLayout, lengths: (Segment) -> Int, inverse: Bool,
        _ context: ComputeContext
    ) -> [RowPass] {
        guard let rotary else { return [] }
        return [(query, attention.queryHeads), (key, attention.keyValueHeads)].compactMap { matrix, heads in
            rotary.rotate(
                matrix, heads: heads, positions: tokens.positions, segments: tokens.segments, lengths: lengths,
                inverse: inverse, context)
        }
    }

    /// Linears of one input, each into its matrix.
    func apply(
        _ products: [(place: Int, y: ActivationMatrix)], _ x: BranchInput, _ memory: BlockMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let outputs = products.map { AdaptedOutput(linears[$0.place], $0.y, saved: memory.saved[$0.place]) }
        AdaptedLinear.forward(
            x.matrix, outputs, filling: x.filling, keepsInput: !x.isReadOnce, tokens, run)
    }

    /// From the gradients of what linears of one input made to that of the input, their sum.
    ///
    /// - Parameter filling: passes that fill these gradients.
    func applyBackward(
        _ products: [(place: Int, dY: FloatMatrix)], filling: [RowPass] = [], x: BranchInput, into dX: FloatMatrix?,
        adding: Bool, _ memory: BlockMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let gradients = products.map { AdaptedGradient(linears[$0.place], $0.dY, saved: memory.saved[$0.place]) }
        AdaptedLinear.backward(
            gradients, x: x.matrix, into: dX, adding: adding, filling: filling, beside: x.filling, tokens, run)
    }
}
