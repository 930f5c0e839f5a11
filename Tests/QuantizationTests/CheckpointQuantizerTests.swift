import DecoderModels
import Kernels
import ModelFiles
import QuantFormats
import Quantization
import System
import TestSupport
import Testing

@Suite struct CheckpointQuantizerTests {
    static let variants: [(format: QuantFormat?, blockSize: Int, nested: Bool, embeddings: QuantFormat?)] = [
        (.nf4, 64, true, nil), (.nf4, 32, false, nil), (.fp4, 128, true, nil), (.fp4, 4096, false, .nf4),
        (.int8, 64, true, nil), (.nf4, 64, true, .int8), (nil, 64, true, .int8), (nil, 64, true, nil),
        (.int4, 64, true, nil), (.int4, 256, false, .int8),
    ]

    /// Every golden model in every variant: what is stored is what `QuantizedBlocks` makes of the source, tensor by
    /// tensor; everything else is copied; the model that comes out loads; the report says what is stored.
    @Test(arguments: Fixtures.modelNames + Fixtures.familyNames)
    func storesWhatTheFormatsMake(_ name: String) throws {
        let source = try ModelDirectory(Workshop.fixture(name))
        for variant in Self.variants {
            let workshop = Workshop()
            let options = QuantizationOptions(
                format: variant.format, blockSize: variant.blockSize, isDoubleQuantized: variant.nested,
                embeddingFormat: variant.embeddings)
            let result = try workshop.quantize(source.path, options)
            let model = try ModelDirectory(workshop.output)
            _ = try DecoderModel.load(model)
            let roles = try WeightRoles(source)
            for tensor in result.report.tensors {
                let module = String(tensor.name.dropLast(".weight".count))
                let isLinear = roles.linears.contains(module), isTable = module == roles.embedding
                let format = isLinear ? variant.format : isTable ? variant.embeddings : nil
                #expect(tensor.isQuantized == (format != nil), "\(tensor.name)")
                let original = try roles.checkpoint.requiredTensor(named: tensor.name)
                let stored = try storedBytes(model.checkpoint, tensor.name)
                #expect(tensor.sha256 == stored.withUnsafeBytes { SHA256.hexadecimalDigest(of: $0) })
                guard let format else {
                    #expect(stored == Array(original.bytes))
                    continue
                }
                let quantizer = try BlockQuantizer(
                    format: format, blockSize: variant.blockSize, kernels: KernelTable(.portable),
                    pool: WorkerPool(threadCount: 1))
                let source = Workshop.oriented(original, isTransposed: isLinear && roles.areTransposed)
                let expected = try QuantizedBlocks(
                    source,
                    type: try #require(SourceType(rawValue: original.type.torchName)), count: original.elementCount,
                    quantizer: quantizer, doubleQuantized: variant.nested && format.canDoubleQuantize)
                #expect(stored == expected.codes)
                let absmax = try storedBytes(model.checkpoint, tensor.name + ".absmax")
                #expect(absmax == expected.nested?.codes ?? expected.scales.withUnsafeBytes { Array($0) })
                #expect(tensor.bytesBefore == original.byteCount)
                let parts = try tensor.parts.map { part in
                    let bytes = try storedBytes(model.checkpoint, "\(tensor.name).\(part.component)")
                    #expect(part.sha256 == bytes.withUnsafeBytes { SHA256.hexadecimalDigest(of: $0) })
                    return bytes.count
                }
                #expect(tensor.bytesAfter == stored.count + parts.reduce(0, +))
                let error = try #require(tensor.error)
                #expect(error.relativeRootMeanSquare > 0 && error.relativeRootMeanSquare < 0.25)
            }
            #expect(result.report.bytesAfter == model.checkpoint.byteCount)
            let hashes = try #require(try StoredHashes(directory: workshop.output))
            #expect(try StoredVerification.hashes(model.checkpoint, expected: hashes) == hashes.sha256)
        }
    }

    @Test func configurationIsThatOfTransformers() throws {
        let workshop = Workshop()
        try workshop.quantize(try workshop.makeModel(type: .bfloat16))
        let text = try FileReader.readText(workshop.output + "/config.json")
        let expected = """
              "quantization_config": {
                "_load_in_4bit": true,
                "_load_in_8bit": false,
                "bnb_4bit_compute_dtype": "bfloat16",
                "bnb_4bit_quant_storage": "uint8",
                "bnb_4bit_quant_type": "nf4",
                "bnb_4bit_use_double_quant": true,
                "llm_int8_enable_fp32_cpu_offload": false,
                "llm_int8_has_fp16_weight": false,
                "llm_int8_skip_modules": null,
                "llm_int8_threshold": 6.0,
                "load_in_4bit": true,
                "load_in_8bit": false,
                "quant_method": "bitsandbytes"
              },
            """
        #expect(text.contains(expected))
        #expect(text.hasSuffix("}\n"))
        #expect(try FileSystem.list(workshop.output).contains("tokenizer.json"))
    }

    /// Slices, threads and shards change no byte of a tensor.
    @Test func slicesThreadsAndShardsChangeNothing() throws {
        let workshop = Workshop()
        // 1001 x 296 elements: several smallest slices, the last one short and ending in a short block.
        let model = try workshop.makeModel(width: 296, inner: 1001, vocabulary: 700, type: .bfloat16, ties: true)
        let plain = QuantizationOptions(embeddingFormat: .int8)
        try workshop.quantize(model, plain, threads: 1)
        let reference = try ModelDirectory(workshop.output)
        var small = plain
        small.memoryLimit = 52 << 20
        var sharded = plain
        sharded.shardByteCount = 100_000
        for (number, options) in [plain, small, sharded].enumerated() {
            let path = workshop.directory.file("other-\(number)")
            try workshop.quantize(model, options, threads: 3, to: path)
            let other = try ModelDirectory(path)
            #expect((other.checkpoint.files.count > 1) == (number == 2))
            #expect(other.checkpoint.tensorNames == reference.checkpoint.tensorNames)
            for name in reference.checkpoint.tensorNames {
                #expect(
                    try storedBytes(other.checkpoint, name) == storedBytes(reference.checkpoint, name), "\(name)")
            }
            if number < 2 {
                #expect(
                    try FileReader.read(path + "/quantization_report.json")
                        == FileReader.read(workshop.output + "/quantization_report.json"))
            }
        }
    }

    @Test func aTiedTableIsStoredOnce() throws {
        for name in ["llama-v5-default-tied", "qwen2-v4-tied"] {
            let workshop = Workshop()
            try workshop.quantize(Workshop.fixture(name), QuantizationOptions(embeddingFormat: .int8))
            let model = try ModelDirectory(workshop.output)
            let tables = model.checkpoint.tensorNames.filter { $0.hasPrefix("lm_head") || $0.contains("embed_tokens") }
            #expect(
                tables == [
                    "model.embed_tokens.weight", "model.embed_tokens.weight.absmax",
                    "model.embed_tokens.weight.quant_state.qlora__int8",
                ])
            #expect(model.quantization == .blockwise(format: "nf4", blockSize: 64))
            let configuration = try FileReader.readJSONObject(workshop.output + "/config.json")
            #expect(configuration["quantization_config"]?["embeddings"]?.string == "int8")
        }
    }

    /// A tied table may be stored under the head's name alone, and the metadata may name the embedding as its alias.
    @Test(arguments: [false, true]) func aTableUnderTheHeadsNameStays(isAliased: Bool) throws {
        let workshop = Workshop()
        let aliases = isAliased ? [(key: "model.embed_tokens.weight", value: "lm_head.weight")] : []
        let model = try workshop.makeModel(ties: true, aliases: aliases) { declaration, _ in
            if declaration.name == "model.embed_tokens.weight" {
                declaration = TensorDeclaration(
                    name: "lm_head.weight", type: declaration.type, shape: declaration.shape)
            }
        }
        for (format, stored) in [(nil, "lm_head.weight"), (QuantFormat.int8, "lm_head.weight.absmax")] {
            let path = workshop.directory.file(stored)
            try workshop.quantize(model, QuantizationOptions(format: nil, embeddingFormat: format), to: path)
            let written = try ModelDirectory(path)
            #expect(written.checkpoint.tensorNames.contains(stored))
            #expect(try ModelInspection(written).unsupported == nil)
        }
    }

    @Test func keptModulesAreListed() throws {
        let workshop = Workshop()
        let model = try workshop.makeModel()
        try workshop.quantize(model, QuantizationOptions(keep: ["down_proj", "model.layers.*.self_attn.q_proj"]))
        let configuration = try FileReader.readJSONObject(workshop.output + "/config.json")
        let skipped = configuration["quantization_config"]?["llm_int8_skip_modules"]?.array?.compactMap(\.string)
        #expect(skipped == ["lm_head", "model.layers.0.mlp.down_proj", "model.layers.0.self_attn.q_proj"])
        let stored = try ModelDirectory(workshop.output).checkpoint
        #expect(try stored.requiredTensor(named: "model.layers.0.mlp.down_proj.weight").type == .float32)
        #expect(try stored.requiredTensor(named: "model.layers.0.mlp.up_proj.weight").type == .unsigned8)
        let error = failure {
            try workshop.quantize(model, QuantizationOptions(keep: ["q_prj"]), to: workshop.output + "2")
        }
        #expect(error?.kind == .usage)
        #expect(error?.what == "--keep q_prj matches no module of the model")
    }

    @Test func theReportHasTheDocumentedForm() throws {
        let workshop = Workshop()
        let result = try workshop.quantize(try workshop.makeModel())
        let report = try FileReader.readJSONObject(workshop.output + "/quantization_report.json")
        #expect(report.keys == ["tensors", "bytes_before", "bytes_after", "bits_per_parameter"])
        let entry = try #require(report["tensors"]?.array?.first { $0["action"]?.string == "quantized" }?.object)
        for key in [
            "name", "action", "format", "bytes_before", "bytes_after", "rms_error", "max_abs_error",
            "relative_rms_error", "sha256",
        ] { #expect(entry[key] != nil, "\(key)") }
        let saved = try #require(result.keptEmbedding)
        #expect(saved.name == "model.embed_tokens.weight")
        #expect(saved.byteCount == 40 * 64 * 4)
        #expect(saved.int8ByteCount == 40 * 64 + 40 * 4)
        #expect(saved.nf4ByteCount == 40 * 32 + 40 + 4)
    }
}
