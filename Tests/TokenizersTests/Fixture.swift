import System
import Testing
import Tokenizers

/// A tokenizer of Fixtures with what the `tokenizers` library makes of the strings; see tools/fixtures/tokenizer_files.py.
struct Fixture: CustomTestStringConvertible {
    static let names = [
        "gpt2", "prefix-space", "llama2", "llama2-metaspace", "metaspace-split", "phi3", "qwen2", "llama3", "tekken",
        "o200k", "qwen35", "smollm", "gemma", "added-tokens", "deepseek-v3", "deepseek-coder", "deepseek-coder-v2",
        "spark",
        "kimi", "cohere2", "granite", "laguna", "minicpm", "llada", "cl100k", "seed", "bloom", "falcon", "roberta",
        "byte-normalizer", "t5", "albert", "unigram-bytes", "unigram-scripts", "bert", "word-level", "word-bytes",
        "openai-gpt", "bpe-prefix", "ctc", "metaspace-old", "literals",
        "precompiled-first",
    ]

    static let folder =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        + "/Fixtures"

    let name: String
    let tokenizer: Tokenizer
    private let expected: JSONObject

    init(_ name: String) throws {
        self.name = name
        let path = "\(Self.folder)/\(name).json"
        tokenizer = try Tokenizer(contentsOf: FileReader.read(path), file: path)
        expected = try FileReader.readJSONObject("\(Self.folder)/\(name).expected.json")
    }

    var testDescription: String { name }

    static func strings() throws -> [String] {
        try #require(FileReader.readJSON("\(folder)/strings.json").array).map { try #require($0.string) }
    }

    /// Ids with the template.
    func ids(_ index: Int) throws -> [Int32] { try Self.integers(#require(expected["ids"]?.array)[index]) }

    /// Ids with control text as plain text, without the template; nil where the library makes control tokens of it.
    func plainIDs(_ index: Int, bare: [Int32]) throws -> [Int32]? {
        guard let ids = expected["plain"]?["\(index)"] else { return bare }
        return ids.isNull ? nil : try Self.integers(ids)
    }

    /// The text of the ids without the template.
    func decoded(_ index: Int, _ text: String) -> String { expected["decoded"]?["\(index)"]?.string ?? text }

    /// Byte ranges of the tokens without the template; nil where they are not recorded.
    func ranges(_ index: Int) throws -> [Range<Int>]? {
        guard let ends = try expected["offsets"]?["\(index)"].map(Self.integers) else { return nil }
        return stride(from: 0, to: ends.count, by: 2).map { Int(ends[$0])..<Int(ends[$0 + 1]) }
    }

    private static func integers(_ value: JSONValue) throws -> [Int32] {
        try #require(value.array).map { Int32(try #require($0.integer)) }
    }
}
