import DecoderModels
import ModelFiles
import QuantFormats
import Quantization
import System
import TestSupport
import Testing

/// Experts in few bits: stored one by one whichever way the source has them, in our own layout unless they are kept.
@Suite struct ExpertsQuantizationTests {
    /// A copy of a model whose stacked experts are stored one by one, under the names of transformers 4.
    private func separated(_ name: String) throws -> TemporaryDirectory {
        let folder = TemporaryDirectory(), source = try ModelDirectory(Workshop.fixture(name))
        let checkpoint = try WeightRoles(source).checkpoint
        #expect(checkpoint.tensorNames != source.checkpoint.tensorNames)
        let tensors = try checkpoint.tensorNames.map(checkpoint.requiredTensor)
        let writer = try SafetensorsWriter(
            folder.file("model.safetensors"), tensors: tensors.map { TensorDeclaration($0.entry) })
        for tensor in tensors { try writer.write(tensor.name, tensor.bytes) }
        try writer.finish()
        try AtomicFile.write(try FileReader.read(source.path + "/config.json"), to: folder.file("config.json"))
        return folder
    }

    @Test(arguments: ["mixtral-v5-stacked", "qwen2-moe-v5-stacked"])
    func bothLayoutsGiveTheSameFiles(_ name: String) throws {
        let single = try separated(name)
        for options in [QuantizationOptions(), QuantizationOptions(format: .int8, isDoubleQuantized: false)] {
            let first = Workshop(), second = Workshop()
            try first.quantize(Workshop.fixture(name), options)
            try second.quantize(single.path, options)
            for file in ["model.safetensors", "config.json", "quantization_report.json"] {
                #expect(
                    try FileReader.read("\(first.output)/\(file)") == FileReader.read("\(second.output)/\(file)"),
                    "\(file)")
            }
        }
    }

    @Test func experts() throws {
        let workshop = Workshop()
        let report = try workshop.quantize(Workshop.fixture("mixtral-v5-stacked")).report
        let routers = report.tensors.filter { $0.name.hasSuffix("block_sparse_moe.gate.weight") }
        #expect(routers.count == 2 && routers.allSatisfy { !$0.isQuantized })
        let experts = report.tensors.filter { $0.name.contains(".experts.") }
        #expect(experts.count == 2 * 5 * 3 && experts.allSatisfy(\.isQuantized))
        let inspection = try ModelInspection(ModelDirectory(workshop.output))
        #expect(inspection.weights.count { $0.format == "nf4" } == 2 * (4 + 5 * 3))
    }

    /// Experts that are kept are what transformers and bitsandbytes do, so their layout is used, with routers and experts
    /// as they were.
    @Test func keptExperts() throws {
        let workshop = Workshop()
        try workshop.quantize(
            Workshop.fixture("qwen2-moe-v5-stacked"), QuantizationOptions(keep: ["*.experts.*"]))
        let model = try ModelDirectory(workshop.output)
        let value = try #require(model.configuration["quantization_config"])
        #expect(value["quant_method"]?.string == "bitsandbytes")
        #expect(
            value["llm_int8_skip_modules"]?.array?.compactMap(\.string)
                == ["lm_head", "model.layers.0.mlp.experts", "model.layers.1.mlp.experts"])
        _ = try DecoderModel.load(model)
    }

    private func refusal(_ name: String, _ change: (inout [String: (shape: [Int], bytes: [UInt8])]) -> Void) throws
        -> Failure
    {
        let folder = TemporaryDirectory(), source = try ModelDirectory(Workshop.fixture(name))
        var tensors: [String: (shape: [Int], bytes: [UInt8])] = [:]
        for tensor in source.checkpoint.tensorNames {
            let stored = try source.checkpoint.requiredTensor(named: tensor)
            tensors[tensor] = (stored.shape, Array(stored.bytes))
        }
        change(&tensors)
        let writer = try SafetensorsWriter(
            folder.file("model.safetensors"),
            tensors: tensors.map { TensorDeclaration(name: $0.key, type: .float32, shape: $0.value.shape) })
        for (tensor, value) in tensors { try value.bytes.withUnsafeBytes { try writer.write(tensor, $0) } }
        try writer.finish()
        try AtomicFile.write(try FileReader.read(source.path + "/config.json"), to: folder.file("config.json"))
        let failure = try #require(throws: Failure.self) { try DecoderModel.load(ModelDirectory(folder.path)) }
        #expect(throws: Failure.self) { try WeightRoles(ModelDirectory(folder.path)) }
        #expect(failure.kind == .badData)
        return failure
    }

    @Test func expertsThatAreWrong() throws {
        let stack = "model.layers.0.mlp.experts.gate_up_proj"
        let turned = try refusal("mixtral-v5-stacked") { $0[stack]?.shape = [5, 24, 38] }
        #expect(
            turned.what.contains("[5, 24, 38] where [5, 38, 24] is expected: the experts are stored [inputs, outputs]"))
        #expect(turned.place.tensor == stack && turned.remedy != nil)
        let other = try refusal("mixtral-v5-stacked") { $0["model.layers.1.mlp.experts.down_proj"] = nil }
        #expect(other.what.contains("the tensor is missing"))
        #expect(other.place.tensor == "model.layers.1.mlp.experts.down_proj")
        let double = try refusal("qwen2-moe-v5-stacked") {
            $0["model.layers.0.mlp.experts.1.up_proj.weight"] = ([9, 20], [UInt8](repeating: 0, count: 720))
        }
        #expect(double.what.contains("stored twice"))
        let missing = try refusal("olmoe-v4") { $0["model.layers.1.mlp.experts.7.up_proj.weight"] = nil }
        #expect(missing.place.tensor == "model.layers.1.mlp.experts.7.up_proj.weight")
        let surplus = try refusal("olmoe-v4") {
            $0["model.layers.1.mlp.experts.8.up_proj.weight"] = $0["model.layers.1.mlp.experts.7.up_proj.weight"]
        }
        #expect(surplus.what.contains("model.layers.1.mlp.experts.8.up_proj.weight"))
        let narrow = try refusal("olmoe-v4") {
            $0["model.layers.0.mlp.gate.weight"] = ([7, 24], [UInt8](repeating: 0, count: 7 * 24 * 4))
        }
        #expect(narrow.what.contains("[7, 24] where [8, 24] is expected"))
    }
}
