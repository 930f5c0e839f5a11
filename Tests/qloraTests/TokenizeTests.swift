import TestSupport
import Testing

/// `qlora tokenize` as a user runs it.
@Suite(.enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct TokenizeTests {
    /// A directory with a tokenizer of the tokenizer tests' fixtures.
    private func withModel(_ fixture: String, _ body: (String) throws -> Void) throws {
        let source =
            #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
            + "/TokenizersTests/Fixtures/\(fixture).json"
        let path = runCommand(path: "/bin/sh", arguments: ["-c", "mktemp -d"]).standardOutput.split(separator: "\n")[0]
        defer { _ = runCommand(path: "/bin/rm", arguments: ["-r", String(path)]) }
        let copy = runCommand(path: "/bin/cp", arguments: [source, "\(path)/tokenizer.json"])
        try #require(copy.status == 0)
        try body(String(path))
    }

    @Test func linesBecomeIDsAndBack() throws {
        try withModel("llama2") { model in
            let encoded = runQLoRA(
                arguments: ["tokenize", "--model", model], stdin: "\"The river\"\n\"\"\r\n\"\\u0041<s>\"")
            #expect(encoded.status == 0 && encoded.standardError.isEmpty)
            let lines = encoded.standardOutput.split(separator: "\n")
            #expect(lines.count == 3 && lines[0].hasPrefix("[1,") && lines[1] == "[1]" && lines[2].hasSuffix(",1]"))
            let decoded = runQLoRA(
                arguments: ["tokenize", "--model", model, "--decode"], stdin: encoded.standardOutput)
            #expect(decoded.standardOutput == "\"The river\"\n\"\"\n\"A<s>\"\n")
        }
    }

    @Test func optionsLeaveOutTheTemplateAndControlTokens() throws {
        try withModel("llama2") { model in
            let bare = runQLoRA(arguments: ["tokenize", "--model", model, "--no-special-tokens"], stdin: "\"<s>\"\n")
            #expect(bare.standardOutput == "[1]\n")
            let plain = runQLoRA(
                arguments: ["tokenize", "--model", model, "--no-special-tokens", "--control-text", "plain"],
                stdin: "\"<s>\"\n")
            #expect(!plain.standardOutput.contains("[1") && plain.standardOutput != "[]\n")
            let decoded = runQLoRA(
                arguments: ["tokenize", "--model", model, "--decode", "--no-special-tokens"], stdin: "[1]\n")
            #expect(decoded.standardOutput == "\"<s>\"\n")
        }
    }

    @Test func rowsThatFailAreNamedAndTheRestIsDone() throws {
        try withModel("llama2") { model in
            let result = runQLoRA(arguments: ["tokenize", "--model", model], stdin: "\"a\"\n17\n\"b\n\"c\"\n")
            #expect(result.status == 65)
            let lines = result.standardOutput.split(separator: "\n")
            #expect(lines.count == 4)
            #expect(
                lines[1] == "{\"error\":\"standard input:2: a JSON string is expected on each line, not a number.\"}"
                    || lines[1].contains("standard input:2: a JSON string is expected on each line, not a number"))
            #expect(lines[2].contains("standard input:3:1"))
            #expect(lines[3].hasPrefix("[1,"))
            #expect(result.standardError.hasPrefix("qlora: error: standard input:2: a JSON string is expected"))
            #expect(result.standardError.contains("the first of 2 lines"))
            #expect(result.standardError.split(separator: "\n").count == 1)
        }
    }

    @Test func idsOutsideTheVocabularyAreRefused() throws {
        try withModel("llama2") { model in
            let result = runQLoRA(arguments: ["tokenize", "--model", model, "--decode"], stdin: "[1,560000]\n")
            #expect(result.status == 65)
            #expect(result.standardError.contains("field \"[1]\": 560000 is no id of this tokenizer"))
        }
    }

    @Test func jsonIsOneDocument() throws {
        try withModel("llama2") { model in
            let result = runQLoRA(arguments: ["tokenize", "--model", model, "--json"], stdin: "\"\"\n\"\"\n")
            #expect(result.standardOutput == "[\n[1],\n[1]\n]\n")
            #expect(runQLoRA(arguments: ["tokenize", "--model", model, "--json"]).standardOutput == "[]\n")
        }
    }

    @Test func missingModelsAre66() throws {
        let missing = runQLoRA(arguments: ["tokenize", "--model", "/no/such/model"])
        #expect(missing.status == 66)
        #expect(
            missing.standardError == "qlora: error: /no/such/model: there is no such directory. "
                + "Name the directory of a model in Hugging Face layout.\n")
        let empty = runQLoRA(arguments: ["tokenize", "--model", "/"])
        #expect(empty.status == 66 && empty.standardError.contains("there is no tokenizer.json in this directory"))
    }

    @Test(arguments: [
        ["tokenize"], ["tokenize", "--model", "/", "--control-text", "maybe"],
        ["tokenize", "--model", "/", "--threads", "0"],
        ["tokenize", "--model", "/", "--modle", "/"],
    ])
    func wrongUsageIs64(arguments: [String]) {
        let result = runQLoRA(arguments: arguments)
        #expect(result.status == 64)
        #expect(result.standardOutput.isEmpty && result.standardError.contains("Usage:"))
    }

    @Test func fullOutputIs74() throws {
        try withModel("llama2") { model in
            let command = "echo '\"a\"' | \"$0\" tokenize --model '\(model)' > /dev/full"
            let path = try #require(QLoRACommand.path)
            let result = runCommand(path: "/bin/sh", arguments: ["-c", command, path])
            #expect(result.status == 74)
            #expect(result.standardError.contains("standard output cannot be written: No space left on device"))
        }
    }
}
