import System
import TestSupport
import Testing

/// `quantize` and `inspect` from outside: exit statuses, documents, messages.
@Suite(.enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct QuantizeTests {
    static let model = "\(Fixtures.modelsDirectory)/llama-v4-plain"

    @Test func quantizeAndInspect() throws {
        let directory = TemporaryDirectory()
        let output = directory.file("out")
        let result = runQLoRA(arguments: ["quantize", Self.model, "-o", output, "--json", "--embeddings", "int8"])
        #expect(result.status == 0, "\(result.standardError)")
        let written = try FileReader.readJSON(output + "/quantization_report.json")
        #expect(JSONWriter.compact.string(written) + "\n" == result.standardOutput)
        let inspection = runQLoRA(arguments: ["inspect", output, "--verify", "--json"])
        #expect(inspection.status == 0, "\(inspection.standardError)")
        let document = try JSONParser.parse(inspection.standardOutput)
        #expect(document["kind"]?.string == "model")
        #expect(document["verified"]?.bool == true)
        #expect(document["identity"]?.string?.count == 64)
        #expect(document["quantization"]?["method"]?.string == "qlora-blockwise")
        #expect(document["bytes"]?.integer == written["bytes_after"]?.integer)
        #expect(document["tensors"]?.array?.allSatisfy { $0["sha256"]?.string != nil } == true)
        let text = runQLoRA(arguments: ["inspect", output])
        #expect(text.standardOutput.contains("model.embed_tokens.weight  int8 block 64 "))
    }

    @Test func textNamesWhatTheEmbeddingsWouldSave() {
        let directory = TemporaryDirectory()
        let result = runQLoRA(
            arguments: ["quantize", Self.model, "-o", directory.file("out"), "--no-double-quant", "--format", "fp4"])
        #expect(result.status == 0)
        #expect(result.standardOutput.contains("--embeddings int8 would save "))
        #expect(result.standardOutput.contains("\n  fp4: "))
        #expect(result.standardError.isEmpty)
    }

    @Test func inspectTellsAdaptersAndFiles() throws {
        let adapter = runQLoRA(arguments: ["inspect", Self.model + "/adapter", "--json", "--verify"])
        #expect(adapter.status == 0, "\(adapter.standardError)")
        let document = try JSONParser.parse(adapter.standardOutput)
        #expect(document["kind"]?.string == "adapter")
        #expect(document["rank"]?.integer == 4)
        let file = runQLoRA(arguments: ["inspect", Self.model + "/model.safetensors", "--json"])
        let tensors = try JSONParser.parse(file.standardOutput)["tensors"]?.array
        #expect(tensors?.first?["type"]?.string == "F32")
    }

    @Test func statuses() throws {
        let directory = TemporaryDirectory()
        func status(_ arguments: [String]) -> Int32 { runQLoRA(arguments: arguments).status }
        let output = directory.file("out")
        #expect(status(["quantize", Self.model, "-o", output, "--format", "int5"]) == 64)
        #expect(status(["quantize", Self.model, "-o", output, "--block-size", "48"]) == 64)
        #expect(status(["quantize", Self.model, "-o", output, "--memory-limit", "much"]) == 64)
        #expect(status(["quantize", Self.model, "-o", output, "--memory-limit", "1MiB"]) == 64)
        #expect(status(["quantize", directory.file("none"), "-o", output]) == 66)
        #expect(status(["quantize", Self.model, "-o", Self.model]) == 73)
        #expect(try FileSystem.list(directory.path).isEmpty)
        #expect(status(["quantize", Self.model, "-o", output, "--memory-limit", "128 MiB"]) == 0)
        #expect(status(["quantize", output, "-o", directory.file("again")]) == 69)
        #expect(status(["inspect", directory.file("none")]) == 66)
        // A flipped bit is found.
        let weights = output + "/model.safetensors"
        var bytes = try FileReader.read(weights)
        // The lowest bit of the first float behind the header.
        bytes[8 + (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }] ^= 1
        try AtomicFile.write(bytes, to: weights)
        let damaged = runQLoRA(arguments: ["inspect", output, "--verify"])
        #expect(damaged.status == 65)
        #expect(damaged.standardError.contains("quantization_report.json says"))
    }
}
