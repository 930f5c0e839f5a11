import ModelFiles
import System
import TestSupport
import Testing

@Suite struct ModelDirectoryTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let files: [(String, String)]
        let kind: Failure.Kind
        /// Parts of the paragraph.
        let parts: [String]
        var testDescription: String { parts[0] }

        init(_ files: [(String, String)], _ kind: Failure.Kind, _ parts: String...) {
            self.files = files
            self.kind = kind
            self.parts = parts
        }
    }

    private static func quantized(_ text: String) -> [(String, String)] {
        [("config.json", "{\"quantization_config\":\(text)}")]
    }

    static let cases: [Case] = [
        Case([], .inputMissing, "holds no config.json"),
        Case(
            [("adapter_config.json", "{}")], .inputMissing, "holds an adapter (adapter_config.json) and no model",
            "as --adapter"),
        Case([("model.gguf", "")], .unsupported, "holds only GGUF weights (model.gguf)"),
        Case(
            [("config.json", "{")], .badData,
            "config.json:1:2: byte 1: a key in quotation marks is expected, not the end of the text"),
        Case([("config.json", "[]")], .badData, "holds an array where a JSON object is expected"),
        Case([("config.json", "")], .badData, "JSON text ends where a value is expected"),
        Case(
            [("config.json", "{}")], .inputMissing,
            "holds no weights: model.safetensors or model.safetensors.index.json is expected"),
        Case(
            [("config.json", "{}"), ("pytorch_model.bin", ""), ("training_args.bin", "")], .unsupported,
            "holds only pickled weights (pytorch_model.bin)", "save_pretrained"),
        Case(
            [("config.json", "{}"), ("consolidated.00.pth", "")], .unsupported,
            "holds only pickled weights (consolidated.00.pth)"),
        Case(
            [("config.json", "{}"), ("tf_model.h5", "")], .unsupported,
            "holds weights of another framework (tf_model.h5)"),
        Case([("config.json", "{}"), ("m.gguf", "")], .unsupported, "holds only GGUF weights (m.gguf)"),
        Case(
            [("config.json", "{}"), ("model-00001-of-00002.safetensors", "")], .inputMissing,
            "holds model-00001-of-00002.safetensors, but neither model.safetensors nor model.safetensors.index.json"),
        Case([("config.json", "{}"), ("model.safetensors", "")], .badData, "the file has 0 bytes"),
        Case(
            [("config.json", "{\"auto_map\":{\"AutoModelForCausalLM\":\"modeling_x.X\"}}")], .unsupported,
            "brings its own Python code (AutoModelForCausalLM), which is never run", "field \"auto_map\""),
        Case(
            quantized("{\"quant_method\":\"gptq\",\"bits\":4}"), .unsupported, "quantized by GPTQ, which is not read",
            "qlora quantize"),
        Case(quantized("{\"quant_method\":\"awq\"}"), .unsupported, "quantized by AWQ"),
        Case(quantized("{\"quant_method\":\"fp8\"}"), .unsupported, "quantized by fp8"),
        Case(quantized("{\"quant_method\":\"new-one\"}"), .unsupported, "quantized by \"new-one\", which is not read"),
        Case(quantized("{\"load_in_8bit\":true}"), .unsupported, "8-bit weights of bitsandbytes (LLM.int8)"),
        Case(
            quantized("{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true,\"bnb_4bit_quant_type\":\"af4\"}"),
            .unsupported,
            "the 4-bit type \"af4\" is not read"),
        Case(quantized("[]"), .badData, "holds an array where an object is expected"),
        Case(quantized("{}"), .badData, "names no method"),
        Case(
            quantized("{\"quant_method\":\"qlora-blockwise\"}"), .badData,
            "field \"quantization_config.version\": is no integer"),
        Case(
            quantized("{\"quant_method\":\"qlora-blockwise\",\"version\":2}"), .unsupported,
            "is 2; this program reads version 1",
            "newer version"),
        Case(
            quantized("{\"quant_method\":\"qlora-blockwise\",\"version\":1,\"format\":\"nf4\",\"block_size\":48}"),
            .badData,
            "is none of the block sizes"),
        Case([("config.json", "{}"), ("generation_config.json", "nul")], .badData, "generation_config.json:1:1"),
    ]

    @Test(arguments: cases) func isRefusedWithTheWayOut(_ item: Case) throws {
        let directory = TemporaryDirectory()
        for (name, text) in item.files { directory.write(name, text) }
        let found = try #require(failure { _ = try ModelDirectory(directory.path) })
        #expect(found.kind == item.kind)
        for part in item.parts { #expect(found.description.contains(part), "\(found)") }
        #expect(found.description.contains(directory.path))
    }

    @Test func whatIsNoDirectoryIsRefused() throws {
        let directory = TemporaryDirectory()
        #expect(failure { _ = try ModelDirectory(directory.file("x")) }?.what == "there is no such directory")
        #expect(failure { _ = try ModelDirectory(directory.file("x")) }?.kind == .inputMissing)
        let file = directory.write("model.safetensors", "x")
        #expect(
            failure { _ = try ModelDirectory(file) }?.what == "is a regular file where a model directory is expected")
        let gguf = directory.write("model.gguf", "x")
        #expect(failure { _ = try ModelDirectory(gguf) }?.kind == .unsupported)
    }

    @Test func aDirectoryIsOpened() throws {
        let directory = TemporaryDirectory()
        var file = TensorFile()
        file.add("a", [1], floats: [1])
        try file.write(directory.file("model.safetensors"))
        directory.write("config.json", "{\"_name_or_path\":\"org/base\",\"quantization_config\":null}")
        directory.write("tokenizer.json", "{}")
        directory.write("generation_config.json", "{\"do_sample\":true}")
        let model = try ModelDirectory(directory.path)
        #expect(model.originalName == "org/base" && model.quantization == .none)
        #expect(model.generationConfiguration?["do_sample"]?.bool == true)
        #expect(model.companionFiles == ["generation_config.json", "tokenizer.json"])
        #expect(try model.readCompanion("tokenizer.json") == Array("{}".utf8))
        // sha256 of "a F32 1 e00e5eb9444182f352323374ef4e08ebcb784725fdd4fd612d7730540b3e0c8c\n", that of 1.0
        let digest = SHA256.hexadecimalDigest(of: try model.checkpoint.requiredTensor(named: "a").bytes)
        var whole = SHA256()
        whole.update(Array("a F32 1 \(digest)\n".utf8))
        #expect(try model.identity() == whole.hexadecimalDigest())
        for path in ["/home/x/base", "./base", "../base", "a/b/c", directory.path, "a b"] {
            directory.write("config.json", "{\"_name_or_path\":\"\(path)\"}")
            #expect(try ModelDirectory(directory.path).originalName == nil)
        }
    }

    @Test(.enabled(if: FileSystem.isDirectory(Fixture.shared("models/tinystories-656k"))))
    func theRealModelIsOpened() throws {
        let model = try ModelDirectory(Fixture.shared("models/tinystories-656k"))
        #expect(model.configuration["model_type"]?.string == "llama" && model.quantization == .none)
        let table = try model.checkpoint.storedMatrix(module: "model.embed_tokens", rows: 2048, columns: 128)
        #expect(table.sourceTensors == ["lm_head.weight"] && table.format == "float32" && table.byteCount == 1 << 20)
        _ = try model.checkpoint.vector(named: "model.norm.weight", count: 128)
        #expect(model.companionFiles.contains("tokenizer.json"))
        for name in model.checkpoint.tensorNames { try model.checkpoint.requiredTensor(named: name).checkFinite() }
        let adapter = failure { _ = try ModelDirectory(Fixture.shared("adapters/peft-gpt2")) }
        #expect(adapter?.what == "holds an adapter (adapter_config.json) and no model")
        #expect(
            try Checkpoint(file: Fixture.shared("adapters/peft-gpt2/adapter_model.safetensors")).tensorNames.count > 1)
    }
}
