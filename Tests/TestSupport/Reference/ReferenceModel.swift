internal import Glibc

/// A tensor of the reference, row-major.
package struct ReferenceTensor: Sendable {
    package var shape: [Int]
    package var values: [Float]

    package init(shape: [Int], values: [Float]) {
        guard shape.reduce(1, *) == values.count else {
            fatalError("A reference tensor's values do not fill its shape.")
        }
        self.shape = shape
        self.values = values
    }
}

/// The low-rank path of one linear: `y += scaling · B (A x)`, A `[R, in]`, B `[out, R]`.
package struct ReferenceAdapter: Sendable {
    package enum Part: String, Sendable, CaseIterable { case A, B }

    package var A: ReferenceTensor
    package var B: ReferenceTensor
    package var scaling: Double

    package init(A: ReferenceTensor, B: ReferenceTensor, scaling: Double) {
        self.A = A
        self.B = B
        self.scaling = scaling
    }

    package subscript(part: Part) -> ReferenceTensor { part == .A ? A : B }
}

/// One row of tokens; labels are unshifted and −100 is ignored, as in transformers.
package struct ReferenceRow: Sendable {
    package var ids: [Int32]
    package var labels: [Int32]

    package init(ids: [Int32], labels: [Int32]? = nil) {
        self.ids = ids
        self.labels = labels ?? ids
    }
}

/// A decoder of the Llama kind (`llama`, `qwen2`) with LoRA, written from its equations one number at a time.
///
/// It shares nothing with the program: it is what the program is checked against. Weights are float32 numbers under the
/// names of their checkpoint, biases are used where they are present, and everything is computed in double precision.
/// A forward pass costs about two nanoseconds per weight and token, a derivative about ten.
package struct ReferenceModel: Sendable {
    package var configuration: ReferenceConfiguration
    /// By checkpoint name, `model.layers.0.self_attn.q_proj.weight` and so on; linears `[out, in]`.
    package var weights: [String: ReferenceTensor]
    /// By module path, `model.layers.0.self_attn.q_proj` and so on.
    package var adapters: [String: ReferenceAdapter]

    package init(
        configuration: ReferenceConfiguration, weights: [String: ReferenceTensor],
        adapters: [String: ReferenceAdapter] = [:]
    ) {
        self.configuration = configuration
        self.weights = weights
        self.adapters = adapters
    }

    /// Logits `[T, V]`, row-major, of one row of ids.
    package func logits(ids: [Int32]) -> [Double] {
        ReferenceDecoder<Double>(self, seed: nil).logits(ids)
    }

    /// Natural logarithms of the probability of each token after the first, given those before it: `T − 1` numbers.
    package func logProbabilities(ids: [Int32]) -> [Double] {
        let decoder = ReferenceDecoder<Double>(self, seed: nil)
        let logits = decoder.logits(ids)
        return ids.indices.dropFirst().map { -decoder.negativeLogLikelihood(logits, position: $0 - 1, label: ids[$0]) }
    }

    /// Mean negative log-likelihood over the supervised tokens (`labels[1:]` other than −100) of all rows.
    package func loss(_ rows: [ReferenceRow]) -> Double {
        ReferenceDecoder<Double>(self, seed: nil).loss(rows)
    }

    /// The exact derivative of `loss` by one number of an adapter.
    package func gradient(_ rows: [ReferenceRow], site: String, part: ReferenceAdapter.Part, index: Int) -> Double {
        derivatives(rows, site: site, part: part, from: index)[0]
    }

    /// The exact gradient of `loss` by a whole matrix of an adapter, row-major; an evaluation for each eight numbers.
    package func gradient(_ rows: [ReferenceRow], site: String, part: ReferenceAdapter.Part) -> [Double] {
        let count = adapter(site)[part].values.count
        var result: [Double] = []
        for start in stride(from: 0, to: count, by: Dual.directionCount) {
            let derivatives = derivatives(rows, site: site, part: part, from: start)
            for offset in 0..<min(Dual.directionCount, count - start) { result.append(derivatives[offset]) }
        }
        return result
    }

    /// The exact derivative of `loss` along a direction in the space of all adapter numbers: the sum over everything of
    /// gradient times `direction`, in one evaluation. `direction` is called with site, part and row-major index.
    package func derivative(
        _ rows: [ReferenceRow], along direction: @escaping (String, ReferenceAdapter.Part, Int) -> Double
    ) -> Double {
        ReferenceDecoder<Dual>(self) { site, part, index, value in
            var tangent = SIMD8<Double>.zero
            tangent[0] = direction(site, part, index)
            return Dual(value, tangent: tangent)
        }.loss(rows).tangent[0]
    }

    private func derivatives(
        _ rows: [ReferenceRow], site: String, part: ReferenceAdapter.Part, from start: Int
    ) -> SIMD8<Double> {
        guard start >= 0, start < adapter(site)[part].values.count else {
            fatalError("Number \(start) is outside matrix \(part) of the adapter at \(site).")
        }
        return ReferenceDecoder<Dual>(self) { otherSite, otherPart, index, value in
            var number = Dual(value)
            if index >= start, index < start + Dual.directionCount, otherPart == part, otherSite == site {
                number.tangent[index - start] = 1
            }
            return number
        }.loss(rows).tangent
    }

    private func adapter(_ site: String) -> ReferenceAdapter {
        guard let adapter = adapters[site] else { fatalError("The reference model has no adapter at \(site).") }
        return adapter
    }
}
