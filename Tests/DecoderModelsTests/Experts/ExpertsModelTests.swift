import Adapters
import DecoderModels
import Kernels
import ModelFiles
import System
import Tensors
import TestSupport
import Testing

/// Mixtures of experts against transformers and PEFT, beyond what every family is tested for: the routers' loss, adapters
/// of single experts, and that experts without tokens cost nothing.
@Suite("Mixtures of experts")
struct ExpertsModelTests {
    @Test("The routers' loss and its gradients", arguments: Fixtures.mixtureNames, InstructionSet.supported)
    func auxiliaryLoss(name: String, set: InstructionSet) throws {
        let bench = try ModelBench(name, set: set)
        try bench.attachAdapter(gradients: true)
        let expected = try #require(bench.fixture.auxiliaryLoss)
        let balance = try #require(RouterBalance(bench.model.configuration, coefficient: expected.coefficient))
        _ = bench.runStep([bench.sequences], recompute: .none, balance: balance)
        #expect(abs(balance.loss - expected.value) < 1e-6 * expected.value)
        let count = try bench.expectGradients("auxiliary", tolerance: FixtureModelTests.gradientTolerance)
        #expect(count == bench.fixture.expected.keys.count { $0.hasPrefix("auxiliary.") })
    }

    @Test("The routers' loss does not depend on how rows are cut", arguments: Fixtures.mixtureNames)
    func auxiliaryLossOfCuts(name: String) throws {
        func outcome(_ cut: Int, threads: Int, _ recompute: TrainingPass.Recompute) throws -> ([Float], Double) {
            let bench = try ModelBench(name, set: InstructionSet.supported.last ?? .portable, threads: threads)
            try bench.attachAdapter(gradients: true)
            let balance = try #require(RouterBalance(bench.model.configuration, coefficient: 0.3))
            let batches = stride(from: 0, to: 3, by: cut).map { Array(bench.sequences[$0..<min($0 + cut, 3)]) }
            for _ in 0..<2 {
                balance.reset()
                _ = bench.runStep(batches, recompute: recompute, balance: balance)
            }
            return (bench.allGradients, balance.loss)
        }
        let expected = try outcome(3, threads: 1, .none)
        for (cut, threads, recompute) in [(1, 2, TrainingPass.Recompute.none), (2, 3, .all), (3, 2, .all)] {
            let found = try outcome(cut, threads: threads, recompute)
            #expect(found == expected, "\(cut) rows, \(threads) threads, recompute \(recompute)")
        }
    }

    static let singles = Fixtures.mixtureNames.filter { !$0.hasPrefix("qwen2") }

    @Test("An adapter of single experts in the layout of transformers 4", arguments: singles, InstructionSet.supported)
    func singleExperts(name: String, set: InstructionSet) throws {
        let bench = try ModelBench(name, set: set)
        try bench.attachAdapter("adapter-single-experts", gradients: true)
        try bench.expectLogits(prefix: "single.", tolerance: FixtureModelTests.logitsTolerance)
        _ = bench.runStep(bench.sequences.map { [$0] }, recompute: .all)
        let count = try bench.expectGradients("single", tolerance: FixtureModelTests.gradientTolerance)
        #expect(count == bench.fixture.expected.keys.count { $0.hasPrefix("single.model") })
    }

    /// An expert full of numbers that would show in any result that they enter.
    @Test("Experts without tokens are not touched")
    func unusedExperts() throws {
        let golden = try GoldenModel("olmoe-v4")
        let row = try #require(golden.rows.first)
        let expected = try logits(golden.directory, row)
        var changed = 0, same = 0
        for expert in 0..<8 {
            let path = try poisoned(golden.directory, "model.layers.1.mlp.experts.\(expert).down_proj.weight")
            if try logits(path.path, row) == expected { same += 1 } else { changed += 1 }
        }
        // Five tokens with two experts each: at least two are used, and of eight not all are.
        #expect(changed >= 2 && same > 0, "\(changed) changed, \(same) the same")
    }

    /// A copy of a model in which every element of one tensor is 100.
    private func poisoned(_ directory: String, _ name: String) throws -> TemporaryDirectory {
        let folder = TemporaryDirectory(), checkpoint = try ModelDirectory(directory).checkpoint
        let declarations = try checkpoint.tensorNames.map {
            TensorDeclaration(try checkpoint.requiredTensor(named: $0).entry)
        }
        let writer = try SafetensorsWriter(folder.file("model.safetensors"), tensors: declarations)
        for tensor in checkpoint.tensorNames {
            var bytes = Array(try checkpoint.requiredTensor(named: tensor).bytes)
            if tensor == name {
                bytes = Array(repeating: Float(100), count: bytes.count / 4).withUnsafeBytes { Array($0) }
            }
            try bytes.withUnsafeBytes { try writer.write(tensor, $0) }
        }
        try writer.finish()
        try AtomicFile.write(try FileReader.read(directory + "/config.json"), to: folder.file("config.json"))
        return folder
    }

    private func logits(_ path: String, _ row: ReferenceRow) throws -> [Float] {
        let model = try DecoderModel.load(ModelDirectory(path))
        let context = ComputeContext(
            kernels: KernelTable(.portable), pool: WorkerPool(threadCount: 1), computeType: .float32)
        var sequence = SequenceInput(ids: row.ids, labels: row.ids, rowIdentifier: 0)
        sequence.targets = row.ids
        var found: [Float] = []
        _ = ScoringPass(model, capacity: row.ids.count, context: context).run(TokenBatch([sequence])) { logits, _ in
            for row in 0..<logits.rows {
                found += UnsafeBufferPointer(start: logits.row(row), count: logits.columns)
            }
        }
        return found
    }
}
