package import Kernels
package import Layers
package import Tensors

/// A frozen linear with whatever an adapter adds to it. The model sees only this and never learns what the delta is.
package struct AdaptedLinear: Sendable {
    package let site: AdapterSite
    /// The matrices of the linear, their outputs one behind the other: one, or those that a delta sees as one.
    package let parts: [FrozenLinear]
    package var delta: (any AdapterDelta)?
    /// The type of the products with the base; nil for that of the context.
    package var computeType: ComputeType?

    package init(path: String, base: FrozenLinear) {
        self.init(site: AdapterSite(path: path, inputs: base.inputs, outputs: base.outputs), parts: [base])
    }

    package init(site: AdapterSite, parts: [FrozenLinear], computeType: ComputeType? = nil) {
        guard parts.allSatisfy({ $0.inputs == site.inputs }), parts.reduce(0, { $0 + $1.outputs }) == site.outputs
        else {
            fatalError("the matrices of \(site.path) do not have \(site.inputs) inputs and \(site.outputs) outputs")
        }
        self.site = site
        self.parts = parts
        self.computeType = computeType
    }

    /// Whether the matrices are stored [inputs, outputs].
    package var isTransposed: Bool { parts.contains(where: \.isTransposed) }

    /// Each matrix with the columns of the output that it fills.
    private var ranges: [(part: FrozenLinear, columns: Range<Int>)] {
        var start = 0
        return parts.map { part in
            defer { start += part.outputs }
            return (part, start..<start + part.outputs)
        }
    }

    fileprivate func products(_ output: AdaptedOutput, _ term: LowRankTerm?) -> [ForwardProduct] {
        if parts.count == 1 { return [parts[0].product(into: output.matrix, addend: output.addend, lowRank: term)] }
        return ranges.map { part, columns in
            part.product(
                into: output.matrix.columns(columns), addend: output.addend?.columns(columns),
                lowRank: term.map { LowRankTerm(left: $0.left, right: $0.right.rows(columns)) })
        }
    }

    fileprivate func gradients(_ dY: FloatMatrix, _ term: LowRankTerm?) -> [GradientProduct] {
        if parts.count == 1 { return [parts[0].gradient(dY, lowRank: term)] }
        return ranges.map { part, columns in
            part.gradient(dY.columns(columns), lowRank: columns.lowerBound == 0 ? term : nil)
        }
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

    /// Several linears of one input, which is packed once. All compute in one type.
    ///
    /// - Parameters:
    ///   - filling: passes that fill x.
    ///   - keepsInput: whether x is read again; where not, it may be left as it was.
    package static func forward(
        _ x: FloatMatrix, _ outputs: [AdaptedOutput], filling: [RowPass] = [], keepsInput: Bool = true,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let needsInput = run.fewRows || outputs.contains { $0.linear.delta?.finishesLater(tokens) ?? false }
        if needsInput { run.context.run(filling) }
        var work = AdapterWork(run, ProductCompanions(filling: needsInput ? [] : filling, keepsInputs: keepsInput))
        let terms = outputs.map { $0.linear.delta?.forward(x, saved: $0.saved, tokens, run, &work) }
        guard run.fewRows else {
            let products = zip(outputs, terms).flatMap { output, term in output.linear.products(output, term) }
            return run.context.forward(
                x, products, with: work.companions, overlaps: run.overlaps,
                computeType: outputs.first?.linear.computeType, scratch: run.scratch.bytes)
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
        let computeType = outputs.first?.linear.computeType
        let bases = zip(outputs, results).flatMap { output, y in
            output.linear.ranges.map { ($0.part, y.columns($0.columns)) }
        }
        context.forwardFewRows(
            x, bases.compactMap { $0.fewRowsProduct(into: $1) }, computeType: computeType, scratch: scratch)
        let others = bases.filter { $0.0.isTransposed }.map {
            $0.product(into: .float32($1), addend: nil, lowRank: nil)
        }
        if !others.isEmpty { context.forward(x, others, computeType: computeType, scratch: scratch) }
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
    ///
    /// - Parameters:
    ///   - filling: passes that fill the gradients of the outputs.
    ///   - beside: passes that fill x.
    package static func backward(
        _ outputs: [AdaptedGradient], x: FloatMatrix, into dX: FloatMatrix?, adding: Bool, filling: [RowPass] = [],
        beside: [RowPass] = [], _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        var work = AdapterWork(run, ProductCompanions(filling: filling, beside: beside))
        let terms = outputs.map { $0.linear.delta?.backward($0.matrix, x: x, saved: $0.saved, tokens, run, &work) }
        if let dX {
            let products = zip(outputs, terms).flatMap { output, term in
                let joins = output.linear.delta.map { !$0.finishesLater(tokens) } ?? false
                return output.linear.gradients(output.matrix, joins ? term : nil)
            }
            run.context.inputGradient(
                products, with: work.companions, into: dX, adding: adding, overlaps: run.overlaps,
                computeType: outputs.first?.linear.computeType, scratch: run.scratch.bytes)
        } else {
            run.context.run(work.companions)
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
