import DecoderModels
import Kernels
import ModelFiles
import QuantFormats
import Quantization
import System
import Tensors
import TestSupport
import Testing

/// Quantized bases of every family compute what their originals do, as nearly as the format allows.
@Suite struct FamilyTests {
    /// Logits of int8 bases differ by 1 to 3 percent of the largest in these models of width 20 to 48, where a matrix that
    /// is read in another orientation or by another name changes all of them.
    static let tolerance: Float = 0.12

    private func logits(_ path: String, _ row: ReferenceRow) throws -> [Float] {
        let model = try DecoderModel.load(ModelDirectory(path))
        let context = ComputeContext(
            kernels: KernelTable(InstructionSet.supported.last ?? .portable), pool: WorkerPool(threadCount: 2),
            computeType: .float32)
        let pass = ScoringPass(model, capacity: row.ids.count, context: context)
        var sequence = SequenceInput(ids: row.ids, labels: row.ids, rowIdentifier: 0)
        sequence.targets = row.ids
        var found: [Float] = []
        _ = pass.run(TokenBatch([sequence])) { logits, _ in
            for row in 0..<logits.rows {
                found += UnsafeBufferPointer(start: logits.row(row), count: logits.columns)
            }
        }
        return found
    }

    @Test(arguments: Fixtures.familyNames)
    func int8ComputesNearly(_ name: String) throws {
        let golden = try GoldenModel(name)
        let workshop = Workshop()
        try workshop.quantize(golden.directory, QuantizationOptions(format: .int8, isDoubleQuantized: false))
        for (index, row) in golden.rows.enumerated() {
            let expected = try #require(golden.expected["row.\(index).logits"]).values
            let found = try logits(workshop.output, row)
            let largest = expected.reduce(0) { max($0, $1.magnitude) }
            #expect(found.count == expected.count)
            let width = expected.count / row.ids.count
            let near = stride(from: 0, to: expected.count, by: width).count { start in
                let difference = (start..<start + width).reduce(Float(0)) {
                    max($0, (found[$1] - expected[$1]).magnitude)
                }
                return difference > 0 && difference < Self.tolerance * largest
            }
            // Where two experts are almost alike to a router, the nearly same token may go to the other.
            let isMixture = Fixtures.mixtureNames.contains(name)
            #expect(near >= (isMixture ? row.ids.count / 2 : row.ids.count), "\(name): \(near) of \(row.ids.count)")
        }
    }

    @Test(arguments: ["gpt2-hub", "gpt-neox-v4", "phi3-v4-longrope"])
    func inspectionSeesEveryWeight(_ name: String) throws {
        let golden = try GoldenModel(name)
        let source = try ModelInspection(ModelDirectory(golden.directory))
        #expect(source.unsupported == nil)
        let workshop = Workshop()
        try workshop.quantize(golden.directory)
        let quantized = try ModelInspection(ModelDirectory(workshop.output))
        #expect(quantized.parameterCount == source.parameterCount)
        #expect(quantized.weights.count == source.weights.count)
    }

    /// transformers would load codes as weights where it does not hold a family's linears in 4 bits.
    @Test(
        arguments: [
            ("falcon-v4-new", "qlora-blockwise"), ("gpt2-hub", "bitsandbytes"), ("mixtral-v4", "qlora-blockwise"),
            ("qwen2-moe-v5-stacked", "qlora-blockwise"),
        ])
    func methodIsOneThatTransformersUnderstands(_ name: String, _ method: String) throws {
        let workshop = Workshop()
        try workshop.quantize(Workshop.fixture(name))
        let model = try ModelDirectory(workshop.output)
        #expect(model.configuration["quantization_config"]?["quant_method"]?.string == method)
        _ = try DecoderModel.load(model)
    }
}
