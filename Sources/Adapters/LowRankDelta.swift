package import Kernels
internal import Layers
package import Tensors

/// LoRA: y += s·B·(A·dropout(x)), with s = alpha / R (Hu et al. 2021, equation 3) or alpha / sqrt(R).
///
/// Products with A and B are float32 whatever the compute type of the base. Cost for each token: 2·R·(K + N) forward,
/// twice that backward.
package struct LowRankDelta: AdapterDelta, @unchecked Sendable {
    // Unchecked: parameters are read during a pass and written between passes.

    package static let name = "lora"

    /// A [R, K].
    private let a: FloatMatrix
    /// B [N, R].
    private let b: FloatMatrix
    private let dA: FloatMatrix?
    private let dB: FloatMatrix?
    private let scaling: Float
    private let dropout: Float
    private let site: Int

    package init(_ adapters: AdapterSet, entry: Int, copy: Int, gradients: UnsafeMutablePointer<Float>?) {
        (a, b) = adapters.matrices(entry, copy: copy)
        let own = gradients.map { adapters.matrices(entry, copy: copy, in: $0) }
        dA = own?.a
        dB = own?.b
        scaling = adapters.entries[entry].scaling
        dropout = adapters.dropout
        site = entry
    }

    /// s·A·x is kept: R floats for each token.
    package var savedWidth: Int { a.rows }

    package var factorCount: Int {
        let stride = ThinProduct.factorStride(a.rows)
        return max(a.columns, b.columns == stride ? 0 : b.rows) * stride
    }

    package func forward(
        _ x: FloatMatrix, saved: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun, _ work: inout AdapterWork
    ) -> LowRankTerm {
        let saved = saved.columns(0..<a.rows)
        if run.fewRows {
            run.context.forwardFewRows(
                x, stored(a), bias: nil, into: saved, adding: false, computeType: .float32, scratch: run.scratch.bytes)
            run.context.scale(saved, by: scaling, into: saved)
            return LowRankTerm(left: saved, right: b)
        }
        let factor = work.takeFactor(rows: a.columns, columns: a.rows)
        let transposition = Transposition(a, into: factor)
        let projection = ThinProduct(droppedOut(x, tokens, run), by: factor, scale: scaling, into: saved)
        if finishesLater(tokens) {
            // The dropped-out input is overwritten by the next adapter's.
            run.context.transpose(transposition)
            run.context.multiply([projection])
        } else {
            work.companions.factors.append(transposition)
            work.companions.thin.append(projection)
        }
        return LowRankTerm(left: saved, right: b)
    }

    package func backward(
        _ dY: FloatMatrix, x: FloatMatrix, saved: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun,
        _ work: inout AdapterWork
    ) -> LowRankTerm {
        guard let dA, let dB else { fatalError("an adapter without gradient memory was asked for gradients") }
        let dU = work.takeLowRank(rows: dY.rows, width: a.rows)
        work.companions.thin.append(ThinProduct(dY, by: factorB(run, &work), scale: scaling, into: dU))
        work.companions.outer.append(OuterProduct(dY, saved.columns(0..<a.rows), into: dB))
        if !finishesLater(tokens) { work.companions.outer.append(OuterProduct(dU, x, into: dA)) }
        return LowRankTerm(left: dU, right: a)
    }

    /// Where inputs are dropped out: dA, and the gradient of the dropped-out input, masked the same way, to dX.
    package func finishBackward(
        _ term: LowRankTerm, x: FloatMatrix, addingTo dX: FloatMatrix?, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        guard let dA else { return }
        let input = droppedOut(x, tokens, run), context = run.context
        context.accumulate([OuterProduct(term.left, input, into: dA)])
        guard let dX else { return }
        // The dropped-out input has served its purpose: its memory takes the gradient.
        context.inputGradient(
            term.left, stored(a), into: input, adding: false, computeType: .float32, scratch: run.scratch.bytes)
        mask(input, into: input, tokens, context)
        context.add(input, into: dX)
    }

    /// B with the stride of a factor: B itself where it has it.
    private func factorB(_ run: AdapterRun, _ work: inout AdapterWork) -> FloatMatrix {
        if b.columns == ThinProduct.factorStride(b.columns) { return b }
        let factor = work.takeFactor(rows: b.rows, columns: b.columns)
        for row in 0..<b.rows {
            factor.row(row).update(from: b.row(row), count: b.columns)
            (factor.row(row) + b.columns).update(repeating: 0, count: factor.stride - b.columns)
        }
        return factor
    }

    package func finishesLater(_ tokens: TokenLayout) -> Bool { dropout > 0 && tokens.dropoutStream != nil }

    private func stored(_ matrix: FloatMatrix) -> StoredMatrix {
        StoredMatrix(rows: matrix.rows, columns: matrix.columns, storage: .float32(UnsafeRawPointer(matrix.base)))
    }

    /// x, or x with dropped channels in the run's working memory.
    private func droppedOut(_ x: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun) -> FloatMatrix {
        guard finishesLater(tokens) else { return x }
        guard let dropped = run.dropped else { fatalError("dropout needs working memory that was not planned") }
        let output = FloatMatrix(base: dropped.base, rows: tokens.count, columns: a.columns)
        mask(x, into: output, tokens, run.context)
        return output
    }

    private func mask(_ x: FloatMatrix, into y: FloatMatrix, _ tokens: TokenLayout, _ context: ComputeContext) {
        guard let stream = tokens.dropoutStream else { return }
        context.dropout(
            x, rate: dropout, key: DropoutKey(seed: stream.seed, step: stream.step, site: site),
            rowIdentifiers: tokens.rowIdentifiers, positions: tokens.positions, into: y)
    }
}
