import Glibc
import System
import Testing
import Tokenizers

@Suite struct TokenizerDirectoryTests {
    /// A directory with these files and the tokenizer of a fixture, for the time of a call.
    private func withDirectory(
        _ files: [String: String], tokenizer: String? = "llama2", _ body: (String) throws -> Void
    ) throws {
        var template = Array("/tmp/qlora-test-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileSystem.removeTree(path) }
        var files = files
        if let tokenizer { files["tokenizer.json"] = try FileReader.readText("\(Fixture.folder)/\(tokenizer).json") }
        for (name, text) in files {
            let file = try #require(fopen("\(path)/\(name)", "w"))
            fputs(text, file)
            fclose(file)
        }
        try body(path)
    }

    @Test func tokenizerFileAloneIsEnough() throws {
        try withDirectory([:]) { path in
            let directory = try TokenizerDirectory.load(path)
            #expect(directory.beginToken == nil && directory.endTokenIDs.isEmpty && directory.warnings.isEmpty)
            #expect(directory.tokenizer.encode("").first == 1)
        }
    }

    @Test func configurationsNameTokens() throws {
        let configuration =
            #"{"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},"pad_token":null,"model_max_length":1000000000000000019884624838656}"#
        let files = [
            "tokenizer_config.json": configuration,
            "special_tokens_map.json": #"{"unk_token":"<unk>","eos_token":"<s>"}"#,
            "config.json": #"{"eos_token_id":[2,7],"pad_token_id":0}"#,
        ]
        try withDirectory(files) { path in
            let directory = try TokenizerDirectory.load(path)
            #expect(directory.beginToken == .init(text: "<s>", id: 1))
            #expect(directory.endToken == .init(text: "</s>", id: 2))
            #expect(directory.unknownToken == .init(text: "<unk>", id: 0))
            #expect(directory.paddingToken == .init(text: "<unk>", id: 0))
            #expect(directory.endTokenIDs == [2, 7])
        }
    }

    @Test func generationConfigurationDecidesWhatEnds() throws {
        let files = [
            "generation_config.json": #"{"eos_token_id":[2,99999]}"#, "config.json": #"{"eos_token_id":5}"#,
            "tokenizer_config.json": #"{"eos_token":"<none>"}"#,
        ]
        try withDirectory(files) { path in
            let directory = try TokenizerDirectory.load(path)
            #expect(directory.endTokenIDs == [2])
            #expect(directory.endToken?.id == 2)
            #expect(
                directory.warnings.count == 1 && directory.warnings[0].contains("\"<none>\" is not in the vocabulary"))
        }
    }

    @Test func missingFilesAreNamed() throws {
        #expect(Self.failure("/no/such/directory")?.kind == .inputMissing)
        try withDirectory(["vocab.json": "{}"], tokenizer: nil) { path in
            let failure = try #require(Self.failure(path))
            #expect(failure.kind == .inputMissing)
            #expect(
                failure.description.contains("there is no tokenizer.json in this directory, and no tokenizer.model"))
            #expect(failure.description.contains("It has vocab.json, an older form"))
            #expect(Self.failure(path + "/vocab.json")?.kind == .inputMissing)
        }
    }

    /// The ids of such a model's tokenizer are not those of its pieces: reading it would give wrong ones.
    @Test func modelsWithOtherIDsAreNamed() throws {
        try withDirectory(["sentencepiece.bpe.model": "x"], tokenizer: nil) { path in
            let failure = try #require(Self.failure(path))
            #expect(failure.kind == .inputMissing)
            #expect(failure.description.contains("a SentencePiece model whose pieces get other ids"))
            #expect(failure.description.contains("which writes tokenizer.json"))
        }
    }

    @Test func damagedConfigurationsAreRefused() throws {
        try withDirectory(["tokenizer_config.json": "{"]) { path in
            let failure = try #require(Self.failure(path))
            #expect(failure.kind == .badData && failure.place.file == path + "/tokenizer_config.json")
        }
    }

    private static func failure(_ path: String) -> Failure? {
        do throws(Failure) {
            _ = try TokenizerDirectory.load(path)
            return nil
        } catch { return error }
    }
}
