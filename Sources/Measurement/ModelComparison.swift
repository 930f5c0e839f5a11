package import DecoderModels
package import Kernels
package import System
internal import Tensors

/// Compares the distributions of two models over the same rows, both mapped at once.
///
/// Logits of a row never exist as a whole: after both forward passes the heads advance together, a chunk of positions
/// at a time, so that memory is two passes and two chunks of logits (at most 64 MiB each for most vocabularies).
package final class ModelComparison {
    private let reference: ScoringPass
    private let candidate: ScoringPass
    private let rows: [[SequenceInput]]
    private let context: ComputeContext

    /// What a row's scored positions sum up to.
    package struct RowSums: Sendable, Equatable {
        /// Scored tokens.
        package var tokens = 0
        /// Σ KL(reference || candidate), in nats.
        package var divergence = 0.0
        /// Positions where the likeliest token is the same.
        package var agreements = 0
        /// Summed losses of both.
        package var referenceLoss = 0.0
        package var candidateLoss = 0.0

        package init() {}

        /// A row's element of the document that a process prints.
        package var json: JSONValue {
            .array([
                .integer(tokens), .double(divergence), .integer(agreements), .double(referenceLoss),
                .double(candidateLoss),
            ])
        }

        /// Reads the element; nil where it is something else. A sum that was no finite number becomes NaN again.
        package init?(_ json: JSONValue) {
            guard let parts = json.array, parts.count == 5, let tokens = parts[0].integer,
                let agreements = parts[2].integer
            else { return nil }
            self.tokens = tokens
            self.agreements = agreements
            divergence = parts[1].double ?? .nan
            referenceLoss = parts[3].double ?? .nan
            candidateLoss = parts[4].double ?? .nan
        }
    }

    /// Takes the memory of both passes.
    ///
    /// - Parameter rows: of each row the sequences it is scored in; see `RollingWindows`.
    /// - Throws: `Failure` of kind `badData` where the vocabularies have different sizes.
    package init(
        reference: DecoderModel, candidate: DecoderModel, rows: [[SequenceInput]], context: ComputeContext
    ) throws(Failure) {
        let sizes = [reference, candidate].map(\.configuration.vocabularySize)
        guard sizes[0] == sizes[1] else {
            throw Failure(
                .badData,
                "the models have vocabularies of \(sizes[1]) and \(sizes[0]) tokens, so their distributions cannot be compared",
                remedy: "Compare models with the same vocabulary")
        }
        let capacity = rows.joined().reduce(1) { max($0, $1.ids.count) }
        self.reference = ScoringPass(reference, capacity: capacity, context: context)
        self.candidate = ScoringPass(candidate, capacity: capacity, context: context)
        self.rows = rows
        self.context = context
    }

    /// Compares every row in order.
    ///
    /// - Parameters:
    ///   - interruption: called before each sequence; throws where the work must stop.
    ///   - body: called with each row's index and sums.
    package func run(
        interruption: () throws(Failure) -> Void, _ body: (Int, RowSums) throws(Failure) -> Void
    ) throws(Failure) {
        for (index, sequences) in rows.enumerated() {
            var sums = RowSums()
            for sequence in sequences {
                try interruption()
                add(sequence, to: &sums)
            }
            try body(index, sums)
        }
    }

    /// Adds the scored positions of a sequence (targets other than -100) to the sums, in the order of its tokens.
    private func add(_ sequence: SequenceInput, to sums: inout RowSums) {
        let batch = TokenBatch([sequence])
        let scored = batch.targets.indices.filter { batch.targets[$0] != -100 }
        guard !scored.isEmpty else { return }
        reference.forward(batch)
        candidate.forward(batch)
        var found: [Divergence] = []
        var candidateLosses: [Float] = []
        found.reserveCapacity(scored.count)
        let referenceLosses = reference.losses(batch, scored: scored) { [self] expected, tokens in
            candidateLosses += candidate.losses(batch, scored: Array(tokens)) { logits, part in
                // `part` is a slice of an array of `tokens`: its indices are rows of the reference's logits.
                found += self.divergences(expected.rows(part.startIndex..<part.endIndex), logits)
            }
        }
        for (index, divergence) in found.enumerated() {
            sums.tokens += 1
            sums.divergence += divergence.nats
            sums.agreements += divergence.agrees ? 1 : 0
            sums.referenceLoss += Double(referenceLosses[index])
            sums.candidateLoss += Double(candidateLosses[index])
        }
    }

    /// Of each row of two matrices [m, V].
    private func divergences(_ expected: FloatMatrix, _ logits: FloatMatrix) -> [Divergence] {
        [Divergence](unsafeUninitializedCapacity: expected.rows) { results, count in
            count = expected.rows
            guard let base = results.baseAddress else { return }
            let output = DivergenceRows(base: base)
            context.pool.run(expected.rows) { row in
                (output.base + row).initialize(
                    to: Divergence(
                        reference: expected.row(row), candidate: logits.row(row), count: expected.columns))
            }
        }
    }
}

/// Where the tasks of a region write; each row is written by one task.
private struct DivergenceRows: @unchecked Sendable {
    let base: UnsafeMutablePointer<Divergence>
}
