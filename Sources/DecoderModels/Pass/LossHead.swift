package import Adapters
package import Kernels
internal import Layers
package import Tensors

/// The end of the model: final norm, head and cross-entropy over scored tokens only, a chunk of rows at a time, forward
/// and backward together. Logits of a whole batch never exist.
package struct LossHead {
    private let norm: Norm
    private let head: AdaptedLinear
    private let rule: LogitsRule
    private let width: Int
    private let vocabularySize: Int
    /// The head in parts of the vocabulary, where no more than a part of a row's logits exists at a time.
    private let parts: VocabularyParts?
    /// Most rows of a chunk. It cannot change a result: rows are independent, and the gradient of the head's adapter, which
    /// sums over rows, is added row after row.
    package let chunkRows: Int
    /// The longest rows that a product of a chunk packs at once.
    package let packedLength: Int
    private let gathered, normed, reciprocals, logits, gradient, losses, labels, tokens, positions, rows,
        saved, states: ArenaSlot

    /// Memory for whole rows of one chunk of logits, unless 16 rows need more.
    private static let logitsByteCount = 128 << 20

    /// Rows for which a matrix is unpacked once: more make products no faster.
    private static let mostRows = 512

    /// - Parameter keepsLogits: whether whole rows of logits are wanted. They are needed where the head has an adapter, and
    ///   where the head cannot be cut.
    package init(
        _ plan: inout ArenaPlan, _ model: DecoderModel, largestRows: Int, keepsLogits: Bool, _ context: ComputeContext
    ) {
        norm = model.finalNorm
        head = model.head
        rule = model.configuration.logits
        width = norm.width
        vocabularySize = head.site.outputs
        parts = keepsLogits || head.delta != nil ? nil : head.parts[0].vocabularyParts
        let columns = parts == nil ? vocabularySize : VocabularyParts.longest(vocabularySize)
        let affordable = Self.logitsByteCount / (columns * MemoryLayout<Float>.stride)
        let mostRows = parts == nil ? 256 : Self.mostRows
        let chunkRows = min(max(16, min(mostRows, affordable)), max(1, largestRows))
        self.chunkRows = chunkRows
        packedLength = max(context.packedGradientLength(columns), width)
        func reserve(_ name: String, _ columns: Int) -> ArenaSlot {
            plan.reserve("head: \(name)", Float.self, count: chunkRows * columns)
        }
        gathered = reserve("residual rows", width)
        normed = reserve("normalised rows", width)
        reciprocals = reserve("norm", 1)
        logits = reserve("logits of a chunk", columns)
        gradient = reserve("gradient of rows", width)
        losses = reserve("losses", 1)
        labels = reserve("labels", 1)
        tokens = reserve("tokens", 1)
        positions = reserve("positions", 1)
        rows = reserve("rows", 1)
        saved = reserve("low-rank products", head.savedWidth)
        states = reserve("running softmax", parts == nil ? 0 : LinearCrossEntropyMemory.floatsOfState)
    }

    /// Called with the logits [m, V] of a chunk before they are overwritten, and the tokens (rows of the batch) they
    /// belong to.
    package typealias LogitsObserver = (FloatMatrix, ArraySlice<Int>) -> Void

    /// Negative log-likelihoods, in natural logarithm, of the targets of the `scored` tokens.
    ///
    /// - Parameters:
    ///   - hidden: [M, C], the residual stream after the last layer.
    ///   - scored: rows of the batch with a target, ascending.
    ///   - dHidden: [M, C]; where given, receives gradientScale times the gradient of the summed loss in the scored
    ///     rows (others are left as they are).
    /// - Returns: a loss for each scored token.
    package func run(
        _ hidden: FloatMatrix, scored: [Int], targets: [Int32], gradientScale: Float, dHidden: FloatMatrix?,
        _ arena: Arena, _ tokens: TokenLayout, _ run: AdapterRun, observer: LogitsObserver? = nil
    ) -> [Float] {
        var results: [Float] = []
        results.reserveCapacity(scored.count)
        run.context.measured("head and loss") {
            for chunk in chunks(scored) {
                score(
                    hidden, chunk, targets, gradientScale, dHidden, arena, tokens, run, observer, into: &results)
            }
        }
        return results
    }

    /// As few chunks as the memory allows, of equal size.
    private func chunks(_ scored: [Int]) -> [ArraySlice<Int>] {
        guard !scored.isEmpty else { return [] }
        let count = (scored.count + chunkRows - 1) / chunkRows
        let rows = (scored.count + count - 1) / count
        return stride(from: 0, to: scored.count, by: rows).map { scored[$0..<min($0 + rows, scored.count)] }
    }

    private func score(
        _ hidden: FloatMatrix, _ chunk: ArraySlice<Int>, _ targets: [Int32], _ gradientScale: Float,
        _ dHidden: FloatMatrix?, _ arena: Arena, _ tokens: TokenLayout, _ run: AdapterRun, _ observer: LogitsObserver?,
        into results: inout [Float]
    ) {
        let count = chunk.count
        let context = run.context
        let gathered = arena.matrix(gathered, rows: count, columns: width)
        let normed = arena.matrix(normed, rows: count, columns: width)
        let gradient = arena.matrix(gradient, rows: count, columns: width)
        let reciprocals = arena.matrix(reciprocals, rows: count, columns: 1).base
        let losses = arena.matrix(losses, rows: count, columns: 1).base
        let labels = arena.elements(labels, as: Int32.self), places = arena.elements(self.tokens, as: Int32.self)
        for (index, token) in chunk.enumerated() {
            labels[index] = targets[token]
            places[index] = Int32(token)
        }
        guard let labels = labels.baseAddress, let places = places.baseAddress else {
            fatalError("an arena slot has no memory")
        }
        context.gatherRows(of: hidden, at: places, into: gathered)
        context.run(norm.forward(gathered, into: normed, reciprocals: reciprocals, context))
        let scale = gradientScale * rule.scale
        if let parts {
            guard dHidden != nil, observer == nil else { fatalError("a head that keeps no logits was asked for them") }
            let memory = LinearCrossEntropyMemory(
                logits: arena.matrix(logits, rows: count, columns: VocabularyParts.longest(vocabularySize)),
                states: arena.matrix(states, rows: count, columns: LinearCrossEntropyMemory.floatsOfState))
            context.linearCrossEntropy(
                normed, parts, labels: labels, losses: losses, gradientScale: scale, into: gradient, softCap: rule.cap,
                memory: memory, scratch: run.scratch.bytes
            ) { rule.apply($0, context) }
        } else {
            scoreWholeRows(
                normed, chunk, labels, losses, gradientScale: dHidden == nil ? nil : scale, into: gradient, arena,
                tokens, run, observer)
        }
        if let dHidden {
            // The gathered rows stay: the norm's gradient needs them.
            context.run(
                norm.backward(gradient, x: gathered, reciprocals: reciprocals, into: gradient, adding: false, context))
            context.scatterRows(gradient, into: dHidden, at: places)
        }
        for index in 0..<count { results.append(losses[index]) }
    }

    /// Losses by way of whole rows of logits, and with a scale the gradient with respect to the normalised rows.
    private func scoreWholeRows(
        _ normed: FloatMatrix, _ chunk: ArraySlice<Int>, _ labels: UnsafePointer<Int32>,
        _ losses: UnsafeMutablePointer<Float>, gradientScale: Float?, into gradient: FloatMatrix, _ arena: Arena,
        _ tokens: TokenLayout, _ run: AdapterRun, _ observer: LogitsObserver?
    ) {
        let count = chunk.count
        let logits = arena.matrix(logits, rows: count, columns: vocabularySize)
        let saved = arena.matrix(saved, rows: count, columns: head.savedWidth)
        let positions = arena.elements(positions, as: Int32.self)
        let rows = arena.elements(rows, as: Int32.self)
        for (index, token) in chunk.enumerated() {
            positions[index] = tokens.positions[token]
            rows[index] = tokens.rowIdentifiers[token]
        }
        guard let positions = positions.baseAddress, let rows = rows.baseAddress else {
            fatalError("an arena slot has no memory")
        }
        withSegment(count: count) { segments in
            let layout = TokenLayout(
                count: count, segments: segments, positions: positions, rowIdentifiers: rows,
                dropoutStream: tokens.dropoutStream)
            head.forward(normed, into: logits, saved: saved, layout, run)
            rule.apply(logits, run.context)
            observer?(logits, chunk)
            run.context.crossEntropy(
                logits: logits, labels: labels, losses: losses, gradientScale: gradientScale, softCap: rule.cap)
            if gradientScale != nil {
                head.backward(logits, x: normed, saved: saved, into: gradient, adding: false, layout, run)
            }
        }
    }

    private func withSegment<Result>(count: Int, _ body: (UnsafeBufferPointer<Segment>) -> Result) -> Result {
        withUnsafePointer(to: Segment(start: 0, count: Int32(count))) {
            body(UnsafeBufferPointer(start: $0, count: 1))
        }
    }
}
