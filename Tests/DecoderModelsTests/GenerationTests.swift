import DecoderModels
import Kernels
import Layers
import TestSupport
import Testing

/// Generation with a cache against whole passes without one.
@Suite("Generation with a cache")
struct GenerationTests {
    /// Few-row products reduce in another order than whole passes.
    static let tolerance: Float = 1e-5

    @Test(
        "Logits after each token equal those of the whole sequence",
        arguments: Fixtures.modelNames + Fixtures.familyNames)
    func cacheEqualsWhole(name: String) throws {
        let bench = try ModelBench(name, set: InstructionSet.supported.last ?? .portable)
        try bench.attachAdapter(gradients: false)
        for (index, sequence) in bench.sequences.enumerated() {
            // Frequencies change with the length: keys that are cached keep those of their time, as in transformers.
            let changes = bench.model.configuration.rotaries.contains {
                $0.scheme.frequencySet(length: sequence.ids.count) != 0
            }
            guard !changes else { continue }
            let expected = try #require(bench.fixture.expected["adapted.row.\(index).logits"])
            let width = bench.model.configuration.vocabularySize
            let largest = expected.values.reduce(0) { max($0, $1.magnitude) }
            let session = GenerationSession(bench.model, capacity: sequence.ids.count, context: bench.context)
            let promptCount = max(1, sequence.ids.count / 2)
            var logits = try session.take(sequence.ids[..<promptCount])
            for end in promptCount...sequence.ids.count {
                let row = expected.values[(end - 1) * width..<end * width]
                let difference = zip(logits, row).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
                #expect(difference <= Self.tolerance * largest, "row \(index), \(end) tokens")
                if end < sequence.ids.count { logits = try session.take(sequence.ids[end...end]) }
            }
        }
    }
}
