import System
import TestSupport
import Testing

/// The text that `generate` shows, where a tokenizer keeps text back.
@Suite(.enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct ContinuationTests {
    /// The files of a small model, with a tokenizer of byte tokens: its ids stand for "x", a line end, "é" in two bytes
    /// and "y", then for nothing.
    private func model() throws -> TemporaryDirectory {
        let directory = TemporaryDirectory()
        let source = "\(Fixtures.modelsDirectory)/llama-v5-biases"
        for name in ["config.json", "model.safetensors"] {
            directory.write(name, try FileReader.read("\(source)/\(name)"))
        }
        let tokens = ["<unk>", "x", "<0x0A>", "<0xC3>", "<0xA9>", "y"] + (6..<47).map { "w\($0)" }
        let vocabulary = tokens.enumerated().map { "\"\($0.element)\":\($0.offset)" }.joined(separator: ",")
        directory.write(
            "tokenizer.json",
            #"{"model":{"type":"BPE","unk_token":"<unk>","byte_fallback":true,"vocab":{"# + vocabulary
                + #"},"merges":[]},"decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]}}"#
        )
        return directory
    }

    private func generate(_ directory: TemporaryDirectory, _ prompt: String, _ options: [String]) throws -> JSONValue {
        let result = runQLoRA(
            arguments: ["generate", "--model", directory.path, "--prompt", prompt, "--json"] + options)
        #expect(result.status == 0, "\(result.standardError)")
        return try JSONParser.parse(result.standardOutput)
    }

    /// The last of the prompt's tokens may belong to a run that goes on; their text is not the continuation's.
    @Test(arguments: ["x\n", "xé", "x\né\n", "x"])
    func thePromptIsNotShownAgain(prompt: String) throws {
        let directory = try model()
        let result = try generate(directory, prompt, ["--max-tokens", "6", "--temperature", "1", "--top-k", "0"])
        let prompted = try #require(result["prompt_ids"]?.array), made = try #require(result["ids"]?.array)
        let whole = runQLoRA(
            arguments: ["tokenize", "--model", directory.path, "--decode"],
            stdin: JSONWriter.compact.string(.array(prompted + made)))
        let text = try #require(try JSONParser.parse(whole.standardOutput).string)
        // A byte right behind the prompt's may change what those are.
        guard let first = made.first?.integer, !(2...4).contains(first) else { return }
        #expect(text.hasPrefix(prompt))
        #expect(result["text"]?.string == String(text.dropFirst(prompt.count)), "\(prompt.debugDescription)")
    }

    @Test func optionsOfTheTemplateNeedChat() throws {
        let directory = try model()
        for option in [["--chat-template", "chatml"], ["--template-date", "2024-02-29"], ["--template-args", "{}"]] {
            let result = runQLoRA(arguments: ["generate", "--model", directory.path, "--prompt", "x"] + option)
            #expect(result.status == 64)
            #expect(result.standardError.contains("\(option[0]) is given without --chat"), "\(result.standardError)")
        }
        directory.write("empty.jinja", "")
        let empty = runQLoRA(
            arguments: [
                "generate", "--model", directory.path, "--prompt", "x", "--chat", "--chat-template",
                directory.file("empty.jinja"),
            ])
        #expect(empty.status == 64)
        #expect(empty.standardError.contains("the chat template makes no text of the prompt"), "\(empty.standardError)")
    }
}
