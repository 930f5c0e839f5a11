import Datasets
import Foundation
import System
import Testing
import Tokenizers

/// Rows made with real tokenizers, which lie beside the repository.
struct TokenizerRowsTests {
    static func shared(_ name: String, file: StaticString = #filePath) -> String {
        URL(fileURLWithPath: "\(file)").deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/data/\(name)").path
    }

    static let isThere = FileSystem.isDirectory(shared("tokenizers/gpt2"))

    /// The supervised tokens spell the completion, after at most the rest of one token; one token fewer would not.
    @Test(.enabled(if: isThere), arguments: ["gpt2", "llama-2", "qwen2"])
    func theBoundaryIsTheFirstTokenWithACompletionByte(name: String) throws {
        let directory = try TokenizerDirectory.load(Self.shared("tokenizers/\(name)"))
        let tokenizer = directory.tokenizer
        let encoder = RowEncoder(tokenizer: tokenizer, endToken: 2, vocabularySize: 1 << 20)
        let text = "Question: how many tokens are there? Answer: thirty-three, not counting <|endoftext|> or </s>."
        for boundary in 1..<(text.count - 1) {
            let prompt = String(text.prefix(boundary)), completion = String(text.dropFirst(boundary))
            let row = JSONValue.object(JSONObject([("prompt", .string(prompt)), ("completion", .string(completion))]))
            let data = try load(JSONWriter.compact.string(row), encoder: encoder).rows[0]
            #expect(data.ids == tokenizer.encode(text, controlText: .plain) + [2])
            let first = try #require(data.labels.firstIndex { $0 != TrainingRow.ignored })
            let supervised = tokenizer.decode(data.ids[first...].dropLast(), skipSpecialTokens: false)
            let fewer = tokenizer.decode(data.ids[(first + 1)...].dropLast(), skipSpecialTokens: false)
            #expect(supervised.hasSuffix(completion) || " " + supervised == completion, "\(boundary)")
            #expect(fewer.count < completion.count)
            #expect(data.labels[first...].elementsEqual(data.ids[first...]))
        }
    }

    @Test(.enabled(if: isThere)) func realFiles() throws {
        let model = try TokenizerDirectory.load(Self.shared("models/tinystories-656k"))
        let encoder = RowEncoder(model, vocabularySize: 2048)
        var options = DatasetOptions()
        options.columns = try ColumnMapping(option: "prompt=question,completion=answer")
        let data = try Dataset.load(
            files: [Self.shared("datasets/gsm8k/test.jsonl")], options: options, encoder: encoder)
        #expect(data.rows.count == 1319)
        #expect(data.rows.allSatisfy { $0.ids.last == encoder.endToken && $0.labels.first == TrainingRow.ignored })
        let text = try Dataset.load(
            files: [Self.shared("datasets/formats/c4_demo.jsonl")], options: DatasetOptions(), encoder: encoder)
        #expect(text.rows.count == text.summary.rowCount && text.rows.count > 100)
        #expect(text.summary.supervisedTokenCount == text.summary.tokenCount - text.rows.count)
    }
}
