import System
import Testing
import Tokenizers

/// Real tokenizers beside the repository, where they are there.
enum SharedData {
    static let folder =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4)
        .joined(separator: "/") + "/shared/data"
    static let isPresent = FileSystem.isDirectory(folder + "/tokenizers")
}

@Suite(.enabled(if: SharedData.isPresent, "../shared/data is absent"))
struct SharedTokenizerTests {
    @Test(arguments: ["gpt2", "llama-2", "phi-3", "qwen2"])
    func idsAndTextsEqualTheLibrary(name: String) throws {
        let folder = "\(SharedData.folder)/tokenizers/\(name)"
        let tokenizer = try TokenizerDirectory.load(folder).tokenizer
        let lines = try FileReader.readText(folder + "/expected.jsonl").split(separator: "\n")
        #expect(lines.count >= 80)
        for line in lines {
            let row = try JSONParser.parse(String(line))
            let text = try #require(row["text"]?.string)
            func ids(_ key: String) -> [Int32]? { row[key]?.array?.compactMap { $0.integer.map { Int32($0) } } }
            #expect(tokenizer.encode(text) == ids("ids"), "\(name): \(text.debugDescription)")
            let bare = tokenizer.encode(text, addSpecialTokens: false)
            #expect(bare == ids("ids_no_special"), "\(name): \(text.debugDescription)")
            #expect(tokenizer.decode(bare, skipSpecialTokens: false) == row["decoded"]?.string)
        }
    }

    @Test func modelDirectoriesNameTheirTokens() throws {
        let directory = try TokenizerDirectory.load(SharedData.folder + "/models/tinystories-656k")
        #expect(directory.beginToken == .init(text: "<|start_story|>", id: 1))
        #expect(directory.endToken == .init(text: "<|end_story|>", id: 2))
        #expect(directory.paddingToken?.id == 0 && directory.unknownToken?.id == 0)
        #expect(directory.endTokenIDs == [2])
        #expect(directory.warnings.isEmpty)
        let ids = directory.tokenizer.encode("Once upon a time, there was a little girl.")
        #expect(directory.tokenizer.decode(ids) == "Once upon a time, there was a little girl.")
    }
}
