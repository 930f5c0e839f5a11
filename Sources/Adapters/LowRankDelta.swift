internal import Kernels
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

    package init(_ adapters: AdapterSet, entry: Int, gradients: UnsafeMutablePointer<Float>?) {
        a = adapters.matrixA(entry)
        b = adapters.matrixB(entry)
        dA = gradients.map { adapters.matrixA(entry, in: $0) }
        dB = gradients.map { adapters.matrixB(entry, in: $0) }
        scaling = adapters.entries[entry].scaling
        dropout = adapters.dropout
        site = entry
    }

    /// s·A·x is kept: R floats for each token.
    package var savedWidth: Int { a.rows }

    package func forward(
        _ x: FloatMatrix, addingTo y: FloatMatrix, saved: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let input = droppedOut(x, tokens, run)
        let saved = saved.columns(0..<a.rows)
        run.context.forward(
            input, stored(a), bias: nil, into: saved, adding: false, computeType: .float32, scratch: run.scratch.bytes)
        run.context.scale(saved, by: scaling, into: saved)
        run.context.forward(
            saved, stored(b), bias: nil, into: y, adding: true, computeType: .float32, scratch: run.scratch.bytes)
    }

    package func backward(
        _ dY: FloatMatrix, x: FloatMatrix, saved: FloatMatrix, addingTo dX: FloatMatrix?, _ tokens: TokenLayout,
        _ run: AdapterRun
    ) {
        guard let dA, let dB else { fatalError("an adapter without gradient memory was asked for gradients") }
        let context = run.context
        let dU = FloatMatrix(base: run.lowRank.base, rows: tokens.count, columns: a.rows)
        context.inputGradient(
            dY, stored(b), into: dU, adding: false, computeType: .float32, scratch: run.scratch.bytes)
        context.scale(dU, by: scaling, into: dU)
        let input = droppedOut(x, tokens, run)
        let saved = saved.columns(0..<a.rows)
        for segment in tokens.segments {
            let rows = Int(segment.start)..<Int(segment.start) + Int(segment.count)
            context.accumulateOuter(dY.rows(rows), saved.rows(rows), into: dB, scale: 1)
            context.accumulateOuter(dU.rows(rows), input.rows(rows), into: dA, scale: 1)
        }
        guard let dX else { return }
        guard dropout > 0, tokens.dropoutStream != nil else {
            context.inputGradient(
                dU, stored(a), into: dX, adding: true, computeType: .float32, scratch: run.scratch.bytes)
            return
        }
        // The dropped-out input has served its purpose: its memory takes the gradient, masked the same way.
        context.inputGradient(
            dU, stored(a), into: input, adding: false, computeType: .float32, scratch: run.scratch.bytes)
        mask(input, into: input, tokens, context)
        context.add(input, into: dX)
    }

    private func stored(_ matrix: FloatMatrix) -> StoredMatrix {
        StoredMatrix(rows: matrix.rows, columns: matrix.columns, storage: .float32(UnsafeRawPointer(matrix.base)))
    }

    /// x, or x with dropped channels in the run's working memory.
    private func droppedOut(_ x: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun) -> FloatMatrix {
        guard dropout > 0, tokens.dropoutStream != nil else { return x }
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
