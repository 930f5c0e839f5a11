import Adapters
import DecoderModels
import Kernels
import TestSupport
import Testing

/// Losses and gradients do not depend on threads, on how rows are cut into micro-batches, or on recomputation.
@Suite("Determinism to the bit")
struct DeterminismTests {
    struct Outcome: Equatable {
        var loss: Double
        var gradients: [Float]
    }

    private func outcome(
        _ name: String = "llama-v5-biases", set: InstructionSet, computeType: ComputeType, threads: Int, cut: Int,
        recompute: TrainingPass.Recompute, dropout: Float
    ) throws -> Outcome {
        let bench = try ModelBench(name, set: set, threads: threads, computeType: computeType)
        try bench.attachAdapter(gradients: true, dropout: dropout)
        let rows = (0..<9).map { index in
            var sequence = bench.sequences[index % bench.sequences.count]
            sequence.rowIdentifier = Int32(index)
            return sequence
        }
        let batches = stride(from: 0, to: rows.count, by: cut).map { Array(rows[$0..<min($0 + cut, rows.count)]) }
        let loss = bench.runStep(
            batches, recompute: recompute, dropout: dropout > 0 ? DropoutStream(seed: 7, step: 3) : nil)
        return Outcome(loss: loss, gradients: bench.allGradients)
    }

    @Test(
        "Threads, micro-batches and recomputation change nothing", arguments: InstructionSet.supported,
        [Float(0), 0.25])
    func sameBits(set: InstructionSet, dropout: Float) throws {
        for type in set.hasBFloat16Products ? ComputeType.allCases : [.float32] {
            let expected = try outcome(
                set: set, computeType: type, threads: 1, cut: 1, recompute: .none, dropout: dropout)
            #expect(expected.gradients.contains { $0 != 0 })
            for (threads, cut, recompute) in [
                (2, 1, TrainingPass.Recompute.none), (3, 9, .none), (1, 4, .all), (3, 2, .all),
            ] {
                let found = try outcome(
                    set: set, computeType: type, threads: threads, cut: cut, recompute: recompute, dropout: dropout)
                #expect(found == expected, "\(type) threads \(threads), \(cut) rows, recompute \(recompute)")
            }
        }
    }

    @Test("The same for every kind of block", arguments: Fixtures.familyNames)
    func sameBitsOfFamilies(name: String) throws {
        let set = InstructionSet.supported.last ?? .portable
        let expected = try outcome(
            name, set: set, computeType: .float32, threads: 1, cut: 1, recompute: .none, dropout: 0.25)
        #expect(expected.gradients.contains { $0 != 0 })
        for (threads, cut, recompute) in [(2, 1, TrainingPass.Recompute.none), (3, 9, .none), (2, 4, .all)] {
            let found = try outcome(
                name, set: set, computeType: .float32, threads: threads, cut: cut, recompute: recompute, dropout: 0.25)
            #expect(found == expected, "\(name): threads \(threads), \(cut) rows, recompute \(recompute)")
        }
    }

    @Test("Dropout changes the gradient, and another step's dropout again")
    func dropoutActs() throws {
        let bench = try ModelBench("llama-v5-biases", set: .portable)
        try bench.attachAdapter(gradients: true, dropout: 0.25)
        var seen: [[Float]] = []
        for step in 0..<2 {
            _ = bench.runStep([bench.sequences], recompute: .none, dropout: DropoutStream(seed: 7, step: step))
            seen.append(bench.allGradients)
        }
        _ = bench.runStep([bench.sequences], recompute: .none)
        seen.append(bench.allGradients)
        #expect(seen[0] != seen[1])
        #expect(seen[0] != seen[2])
    }
}
