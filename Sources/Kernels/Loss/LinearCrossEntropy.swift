internal import CIntrinsics
package import Tensors

/// The output head W [V, C] of a language model as parts of the vocabulary that a loss can go through one after the other.
package struct VocabularyParts: @unchecked Sendable {
    // Unchecked: the bias is read-only memory.

    let matrix: StoredMatrix
    /// [V], or nil.
    let bias: UnsafePointer<Float>?
    let parts: [(tokens: Range<Int>, matrix: StoredMatrix)]

    /// Tokens of a part: with 512 rows their logits and the same packed are 12 MB, which stay in the third-level cache
    /// between the products that write and read them.
    package static let length = 4096

    /// Tokens of the longest part: a rest of less than half a part belongs to the last.
    package static func longest(_ vocabularySize: Int) -> Int { min(vocabularySize, length + length / 2 - 1) }

    /// nil where W is stored in blocks that run across the borders of parts.
    package init?(_ matrix: StoredMatrix, bias: UnsafePointer<Float>?) {
        self.matrix = matrix
        self.bias = bias
        var parts: [(tokens: Range<Int>, matrix: StoredMatrix)] = []
        var start = 0
        while start < matrix.rows {
            let left = matrix.rows - start
            let tokens = start..<start + (left < Self.length + Self.length / 2 ? left : Self.length)
            guard let part = matrix.rows(tokens) else { return nil }
            parts.append((tokens, part))
            start = tokens.upperBound
        }
        self.parts = parts
    }
}

/// Working memory of `linearCrossEntropy`.
package struct LinearCrossEntropyMemory: @unchecked Sendable {
    // Unchecked: one loss at a time uses it.

    /// [M, the longest part].
    let logits: FloatMatrix
    /// [M, floatsOfState].
    let states: FloatMatrix

    /// Floats that each row takes in `states`.
    package static let floatsOfState = 3

    package init(logits: FloatMatrix, states: FloatMatrix) {
        self.logits = logits
        self.states = states
    }
}

extension ComputeContext {
    /// Cross entropy of the logits x Wᵀ + bias of M rows, and its gradient, in one pass over W without a matrix of logits.
    ///
    /// For each part of the vocabulary: its logits, their exponentials, and those times W added to dX, sums made before being
    /// scaled down where a larger logit has come up: attention with W as keys and values (Dao et al., "FlashAttention",
    /// 2022). At the end dX is divided by the sum of exponentials, and the label's row of W taken from it in float32. Cost
    /// 4·M·V·C. A row's results depend on that row alone.
    ///
    /// - Parameters:
    ///   - x: [M, C]; used up.
    ///   - labels: [M], rows of W; another ends the process.
    ///   - losses: [M], receives ln(sum exp(logits)) - logit of the label.
    ///   - dX: [M, C], receives gradientScale times the gradient.
    ///   - softCap: the cap where `prepare` caps logits: the gradient is that of the cap's argument.
    ///   - prepare: makes logits of the products, in place.
    package func linearCrossEntropy(
        _ x: FloatMatrix, _ head: VocabularyParts, labels: UnsafePointer<Int32>,
        losses: UnsafeMutablePointer<Float>, gradientScale: Float, into dX: FloatMatrix, softCap: Float?,
        memory: LinearCrossEntropyMemory, scratch: UnsafeMutableRawBufferPointer, prepare: (FloatMatrix) -> Void
    ) {
        requireSameShape(x, dX)
        let table = kernels.elementwise
        let states = memory.states
        let cap = softCap ?? 0
        nonisolated(unsafe) let (labels, losses) = (labels, losses)  // tasks write disjoint rows
        for (index, part) in head.parts.enumerated() {
            let (first, count) = (part.tokens.lowerBound, part.tokens.count)
            let logits = memory.logits.rows(0..<x.rows).columns(0..<count)
            forward(
                x, [ForwardProduct(part.matrix, bias: head.bias.map { $0 + first }, into: .float32(logits))],
                overlaps: true, scratch: scratch)
            prepare(logits)
            let exponentials = RowPass(rows: x.rows, columns: count, part: "cross-entropy") { rows in
                for row in rows {
                    let state = states.row(row)
                    let label = Int(labels[row]) - first
                    if 0..<count ~= label { state[2] = logits.row(row)[label] }
                    var running = qk_running_softmax(
                        largest: index == 0 ? -.greatestFiniteMagnitude : state[0], sum: index == 0 ? 0 : state[1])
                    let factor = table.softmax_part(logits.row(row), Int64(count), &running, cap)
                    (state[0], state[1]) = (running.largest, running.sum)
                    if index > 0, factor != 1 { table.scale(dX.row(row), factor, dX.row(row), Int64(dX.columns)) }
                }
            }
            inputGradient(
                [GradientProduct(logits, part.matrix)], with: ProductCompanions(filling: [exponentials]), into: dX,
                adding: index > 0, overlaps: true, scratch: scratch)
        }
        gatherRows(head.matrix, ids: labels, count: x.rows, into: x)
        forEachRowRange(rows: x.rows, columns: x.columns, as: "cross-entropy") { rows in
            for row in rows {
                let state = states.row(row)
                let share = cap == 0 ? 0 : state[2] / cap
                table.scale(dX.row(row), gradientScale / state[1], dX.row(row), Int64(dX.columns))
                table.add_scaled(
                    x.row(row), -gradientScale * (1 - share * share), dX.row(row), Int64(dX.columns))
                table.logarithm(state + 1, state + 1, 1)
                losses[row] = (state[0] - state[2]) + state[1]
            }
        }
    }
}
