import Adapters
import DecoderModels
import Kernels
import ModelFiles
import System
import Tensors
import TestSupport
import Testing

/// Whole models against transformers and PEFT: logits, losses and LoRA gradients of every fixture, on every
/// instruction set.
@Suite("Models against transformers and PEFT")
struct FixtureModelTests {
    /// float32 sums in another order than the reference's float64 differ by a few units of 2⁻²⁴ for each layer.
    static let logitsTolerance = 1e-5
    static let lossTolerance = 1e-5
    /// The acceptance bound for gradients in float32 (relative Frobenius norm of each matrix).
    static let gradientTolerance = 2e-5

    @Test("Every architecture has a golden model")
    func coverage() throws {
        var types: Set<String> = []
        for name in Fixtures.modelNames + Fixtures.familyNames {
            let configuration = try Fixtures.json("\(Fixtures.modelsDirectory)/\(name)/config.json")
            types.insert(try #require(configuration["model_type"]?.string))
        }
        #expect(types == Set(Architectures.all.map(\.modelType)))
    }

    @Test(
        "Logits and losses", arguments: Fixtures.modelNames + Fixtures.familyNames, InstructionSet.supported)
    func forward(name: String, set: InstructionSet) throws {
        let bench = try ModelBench(name, set: set)
        try bench.expectLogits(prefix: "", tolerance: Self.logitsTolerance)
        try bench.attachAdapter(gradients: false)
        try bench.expectLogits(prefix: "adapted.", tolerance: Self.logitsTolerance)
        let pass = ScoringPass(bench.model, capacity: 64, context: bench.context)
        let losses = pass.run(TokenBatch(bench.sequences))
        let mean = losses.reduce(0) { $0 + Double($1) } / Double(losses.count)
        #expect(losses.count == bench.fixture.supervisedTokenCount)
        #expect(abs(mean - bench.fixture.adaptedLoss) < Self.lossTolerance * bench.fixture.adaptedLoss)
    }

    @Test("LoRA gradients", arguments: Fixtures.modelNames + Fixtures.familyNames, InstructionSet.supported)
    func gradients(name: String, set: InstructionSet) throws {
        let bench = try ModelBench(name, set: set)
        try bench.attachAdapter(gradients: true)
        let loss = bench.runStep(bench.sequences.map { [$0] }, recompute: .none)
        #expect(abs(loss - bench.fixture.adaptedLoss) < Self.lossTolerance * bench.fixture.adaptedLoss)
        let count = try bench.expectGradients("gradient", tolerance: Self.gradientTolerance)
        #expect(count == bench.fixture.expected.keys.count { $0.hasPrefix("gradient.") })
    }

    @Test(
        "LoRA gradients against dual numbers", arguments: ["llama-v5-biases", "qwen2-v4-tied"], InstructionSet.supported
    )
    func dualNumbers(name: String, set: InstructionSet) throws {
        let bench = try ModelBench(name, set: set)
        try bench.attachAdapter(gradients: true)
        _ = bench.runStep([bench.sequences], recompute: .none)
        let reference = try ModelFixture(name).adapted
        for (index, entry) in bench.adapters.entries.enumerated() where index % 5 == 0 {
            for part in ReferenceAdapter.Part.allCases {
                let expected = reference.gradient(bench.fixture.rows, site: entry.site.path, part: part)
                #expect(
                    ModelBench.relativeDifference(bench.gradient(index, part), expected.map { Float($0) })
                        < Self.gradientTolerance, "\(entry.site.path) \(part.rawValue)")
            }
        }
    }
}
