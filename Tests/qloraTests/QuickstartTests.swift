import System
import TestSupport
import Testing

/// What ships in tools/quickstart.d: files as their manifest says, figures as transformers gives them, a voice that
/// training changes.
@Suite("The quickstart's model", .enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct QuickstartTests {
    /// Two programs sum float32 products in different orders; a wrong weight or token shows far above it.
    static let tolerance = 2e-5
    static let folder = Fixtures.packageRoot() + "/tools/quickstart.d"
    static let model = folder + "/model"
    /// Made by tools/fixtures/quickstart.py.
    static let fixture = Fixtures.packageRoot() + "/Tests/qloraTests/Fixtures/quickstart.json"

    @Test func filesAreThoseOfTheManifest() throws {
        let manifest = try FileReader.readJSON(Self.folder + "/manifest.json")
        let files = try #require(manifest["files"]?.object?.members)
        var modelByteCount = 0
        for file in files {
            let bytes = try Fixtures.bytes(Self.folder + "/" + file.key)
            #expect(bytes.count == file.value["bytes"]?.integer, "\(file.key)")
            let digest = bytes.withUnsafeBytes { SHA256.hexadecimalDigest(of: $0) }
            #expect(digest == file.value["sha256"]?.string, "\(file.key)")
            if file.key.hasPrefix("model/") { modelByteCount += bytes.count }
        }
        #expect(try FileSystem.list(Self.model).allSatisfy { name in files.contains { $0.key == "model/" + name } })
        #expect(modelByteCount <= 4_000_000)
    }

    @Test(arguments: ["plain", "captain"])
    func lossesEqualTheReference(voice: String) throws {
        let expected = try #require(try Fixtures.json(Self.fixture)["voices"]?[voice])
        let texts = try #require(expected["texts"]?.array)
        let directory = TemporaryDirectory()
        let data = directory.write(
            "rows.jsonl", texts.map { #"{"text":\#(JSONWriter.compact.string($0))}"# }.joined(separator: "\n"))
        let base = directory.file("base")
        #expect(runQLoRA(arguments: ["quantize", Self.model, "-o", base, "--quiet"]).status == 0)
        for (format, model) in [("none", Self.model), ("nf4+dq", base)] {
            let tokens = directory.file("tokens.jsonl")
            let result = runQLoRA(
                arguments: [
                    "evaluate", "--model", model, "--data", data, "--compute", "float32", "--per-token", tokens,
                    "--json",
                ])
            #expect(result.status == 0, "\(result.standardError)")
            let loss = try #require(try JSONParser.parse(result.standardOutput)["loss"]?.double)
            let wanted = try #require(expected["losses"]?[format]?.double)
            #expect(abs(loss - wanted) <= Self.tolerance, "\(voice), \(format): \(loss), \(wanted)")
            let ids = try FileReader.readText(tokens).split(separator: "\n").map {
                try JSONParser.parse(String($0))["ids"]?.array?.map(\.integer)
            }
            #expect(ids == expected["ids"]?.array?.map { $0.array?.map(\.integer) })
        }
    }

    @Test func greedyContinuationEqualsTheReference() throws {
        let expected = try #require(try Fixtures.json(Self.fixture)["greedy"])
        let result = generate(
            try #require(expected["prompt"]?.string),
            [
                "--model", Self.model, "--temperature", "0", "--compute", "float32", "--max-tokens",
                String(try #require(expected["tokens"]?.integer)),
            ])
        let document = try JSONParser.parse(result)
        let ids = (document["prompt_ids"]?.array ?? []) + (document["ids"]?.array ?? [])
        #expect(ids.map(\.integer) == expected["ids"]?.array?.map(\.integer))
    }

    /// The whole demonstration: the held-out loss falls by a quarter at least, and every prompt changes its voice.
    @Test(.enabled(if: FullTests.areEnabled, "a long test: tools/test --full"))
    func trainingChangesTheVoice() throws {
        let directory = TemporaryDirectory()
        let base = directory.file("base"), run = directory.file("run")
        let options = try FileReader.readText(Self.folder + "/train-options.txt")
            .split(whereSeparator: \.isWhitespace).map(String.init)
        #expect(runQLoRA(arguments: ["quantize", Self.model, "-o", base, "--quiet"]).status == 0)
        let training = runQLoRA(
            arguments: [
                "train", "--model", base, "--data", Self.folder + "/train.jsonl", "--eval-split", "0", "-o", run,
            ]
                + options)
        #expect(training.status == 0, "\(training.standardError)")
        func loss(_ arguments: [String]) throws -> Double {
            let result = runQLoRA(
                arguments: ["evaluate", "--data", Self.folder + "/held-out.jsonl", "--json", "--model", base]
                    + arguments)
            return try #require(try JSONParser.parse(result.standardOutput)["loss"]?.double)
        }
        #expect(try loss(["--adapter", run]) < 0.75 * loss([]))
        let prompts = try FileReader.readText(Self.folder + "/prompts.txt").split(separator: "\n").map(String.init)
        #expect(prompts.count == 5)
        for (index, prompt) in prompts.enumerated() {
            let arguments = ["--model", base, "--max-tokens", "120", "--seed", String(index + 1)]
            let before = try #require(try JSONParser.parse(generate(prompt, arguments))["text"]?.string)
            let after = try #require(
                try JSONParser.parse(generate(prompt, arguments + ["--adapter", run]))["text"]?.string)
            #expect(captainWords(in: before) == 0, "\(before)")
            #expect(captainWords(in: after) >= 5, "\(after)")
        }
    }

    private func generate(_ prompt: String, _ arguments: [String]) -> String {
        let result = runQLoRA(arguments: ["generate", "--prompt", prompt, "--json"] + arguments)
        #expect(result.status == 0, "\(result.standardError)")
        return result.standardOutput
    }

    /// How many words of a text only the captain says.
    private func captainWords(in text: String) -> Int {
        let own: Set<String> = ["th'", "an'", "o'", "fer", "ye", "wi'", "aye", "arr", "mates", "lads", "'twas", "ahoy"]
        return text.lowercased().split { !($0.isLetter || $0 == "'") }.count { own.contains(String($0)) }
    }
}
