package import Kernels
package import Layers
package import Tensors

/// A frozen linear with whatever an adapter adds to it. The model sees only this and never learns what the delta is.
package struct AdaptedLinear: Sendable {
    package let site: AdapterSite
    package let base: FrozenLinear
    package var delta: (any AdapterDelta)?

    package init(path: String, base: FrozenLinear) {
        site = AdapterSite(path: path, inputs: base.inputs, outputs: base.outputs)
        self.base = base
    }

    /// Floats for each token that forward keeps for backward.
    package var savedWidth: Int { delta?.savedWidth ?? 0 }

    /// y [M, N] = base(x) + delta(x), plus `addend` [M, N] where given.
    package func forward(
        _ x: FloatMatrix, into y: FloatMatrix, addend: FloatMatrix? = nil, saved: FloatMatrix, _ tokens: TokenLayout,
        _ run: AdapterRun
    ) {
        Self.forward(x, [AdaptedOutput(self, .float32(y), addend: addend, saved: saved)], tokens, run)
    }

    /// Several linears of one input, which is packed once.
    package static func forward(
        _ x: FloatMatrix, _ outputs: [AdaptedOutput], _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        var work = AdapterWork(run)
        let terms = outputs.map { $0.linear.delta?.forward(x, saved: $0.saved, tokens, run, &work) }
        guard run.fewRows else {
            let products = zip(outputs, terms).map { output, term in
                output.linear.base.product(into: output.matrix, addend: output.addend, lowRank: term)
            }
            return run.context.forward(x, products, thin: work.thin, scratch: run.scratch.bytes)
        }
        forwardFewRows(x, outputs, terms, run)
    }

    /// The same for few rows: the bases together, then what adapters add.
    private static func forwardFewRows(
        _ x: FloatMatrix, _ outputs: [AdaptedOutput], _ terms: [LowRankTerm?], _ run: AdapterRun
    ) {
        let (context, scratch) = (run.context, run.scratch.bytes)
        let results = outputs.map { output in
            guard let y = output.matrix.float32 else { fatalError("products of few rows make float32") }
            return y
        }
        let bases = zip(outputs, results).map { ($0.linear.base, $1) }
        context.forwardFewRows(x, bases.compactMap { $0.fewRowsProduct(into: $1) }, scratch: scratch)
        let others = bases.filter { $0.0.isTransposed }.map {
            $0.product(into: .float32($1), addend: nil, lowRank: nil)
        }
        if !others.isEmpty { context.forward(x, others, scratch: scratch) }
        for (index, (output, y)) in zip(outputs, results).enumerated() {
            if let term = terms[index] {
                let right = StoredMatrix(
                    rows: term.right.rows, columns: term.right.columns,
                    storage: .float32(UnsafeRawPointer(term.right.base)))
                context.forwardFewRows(
                    term.left, right, bias: nil, into: y, adding: true, computeType: .float32, scratch: scratch)
            }
            if let addend = output.addend { context.add(addend, into: y) }
        }
    }

    /// Adds parameter gradients; writes (or adds) the gradient with respect to x to dX, where that is wanted.
    package func backward(
        _ dY: FloatMatrix, x: FloatMatrix, saved: FloatMatrix, into dX: FloatMatrix?, adding: Bool,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        Self.backward([AdaptedGradient(self, dY, saved: saved)], x: x, into: dX, adding: adding, tokens, run)
    }

    /// The same for several linears of one input, whose gradients are summed without leaving the cache.
    package static func backward(
        _ outputs: [AdaptedGradient], x: FloatMatrix, into dX: FloatMatrix?, adding: Bool, _ tokens: TokenLayout,
        _ run: AdapterRun
    ) {
        var work = AdapterWork(run)
        let terms = outputs.map { $0.linear.delta?.backward($0.matrix, x: x, saved: $0.saved, tokens, run, &work) }
        if let dX {
            let products = zip(outputs, terms).map { output, term in
                let joins = output.linear.delta.map { !$0.finishesLater(tokens) } ?? false
                return output.linear.base.gradient(output.matrix, lowRank: joins ? term : nil)
            }
            run.context.inputGradient(
                products, thin: work.thin, outer: work.outer, into: dX, adding: adding, scratch: run.scratch.bytes)
        } else {
            run.context.multiply(work.thin)
            run.context.accumulate(work.outer)
        }
        for (output, term) in zip(outputs, terms) {
            if let term, let delta = output.linear.delta, delta.finishesLater(tokens) {
                delta.finishBackward(term, x: x, addingTo: dX, tokens, run)
            }
        }
    }
}

/// A linear with the matrix that its forward fills.
package struct AdaptedOutput {
    package let linear: AdaptedLinear
    /// [M, N].
    package let matrix: ActivationMatrix
    /// [M, N], added to the output; may be the output.
    package let addend: FloatMatrix?
    /// What the adapter keeps.
    package let saved: FloatMatrix

    package init(_ linear: AdaptedLinear, _ matrix: ActivationMatrix, addend: FloatMatrix? = nil, saved: FloatMatrix) {
        self.linear = linear
        self.matrix = matrix
        self.addend = addend
        self.saved = saved
    }
}

/// A linear with the gradient of what its forward made.
package struct AdaptedGradient {
    package let linear: AdaptedLinear
    /// [M, N].
    package let matrix: FloatMatrix
    /// What the adapter kept.
    package let saved: FloatMatrix

    package init(_ linear: AdaptedLinear, _ matrix: FloatMatrix, saved: FloatMatrix) {
        self.linear = linear
        self.matrix = matrix
        self.saved = saved
    }
}
