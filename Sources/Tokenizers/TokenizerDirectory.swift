public import System

/// A model directory's tokenizer with what the configuration files beside it say about it.
///
/// Only tokenizer.json is needed, or tokenizer.model (a SentencePiece model) where there is none; tokenizer_config.json,
/// special_tokens_map.json, added_tokens.json, generation_config.json and config.json are read where they are.
public struct TokenizerDirectory: Sendable {
    /// A token that a configuration names.
    public struct NamedToken: Sendable, Equatable {
        public let text: String
        public let id: Int32

        public init(text: String, id: Int32) {
            self.text = text
            self.id = id
        }
    }

    public let tokenizer: Tokenizer
    public let beginToken: NamedToken?
    public let endToken: NamedToken?
    public let paddingToken: NamedToken?
    public let unknownToken: NamedToken?
    /// The ids that end a generated text: those of generation_config.json, else of config.json, else the end token.
    public let endTokenIDs: [Int32]
    /// What a person should know: sentences without a full stop.
    public let warnings: [String]

    /// Reads a directory.
    ///
    /// - Throws: `Failure`: 66 where the directory or its tokenizer is missing, else as `Tokenizer.init` and
    ///   `FileReader.readJSONObject`.
    public static func load(_ directory: String) throws(Failure) -> TokenizerDirectory {
        guard FileSystem.status(directory) != nil else {
            throw Failure(
                .inputMissing, "there is no such directory", at: .init(file: directory),
                remedy: "Name the directory of a model in Hugging Face layout")
        }
        guard FileSystem.isDirectory(directory) else { throw missingTokenizer(directory) }
        let path = FileSystem.join(directory, "tokenizer.json")
        if FileSystem.status(path) != nil {
            let tokenizer = try Tokenizer(
                contentsOf: try FileReader.read(path, limit: Tokenizer.largestFile), file: path)
            return try TokenizerDirectory(directory, tokenizer)
        }
        for name in sentencePieceNames {
            let path = FileSystem.join(directory, name)
            guard FileSystem.status(path) != nil else { continue }
            let tokenizer = try Tokenizer(
                sentencePiece: try FileReader.read(path, limit: Tokenizer.largestFile), file: path,
                settings: try SentencePieceSettings(directory))
            return try TokenizerDirectory(directory, tokenizer)
        }
        throw missingTokenizer(directory)
    }

    /// Models of SentencePiece, by the names they go by, whose ids are those of their pieces.
    private static let sentencePieceNames = ["tokenizer.model", "spiece.model"]

    /// Whether a directory has a tokenizer in a form that is read.
    public static func isPresent(in directory: String) -> Bool {
        (["tokenizer.json"] + sentencePieceNames).contains {
            FileSystem.status(FileSystem.join(directory, $0)) != nil
        }
    }

    private static func missingTokenizer(_ directory: String) -> Failure {
        guard FileSystem.isDirectory(directory) else {
            return Failure(
                .inputMissing, "is a file where the directory of a model is expected", at: .init(file: directory))
        }
        let other = otherForms.first { FileSystem.status(FileSystem.join(directory, $0.name)) != nil }
        let remedy =
            other.map {
                "It has \($0.name), \($0.why): load it once with transformers' AutoTokenizer and save it, which writes tokenizer.json"
            } ?? "Copy the tokenizer.json of the model into it"
        return Failure(
            .inputMissing, "there is no tokenizer.json in this directory, and no tokenizer.model",
            at: .init(file: directory), remedy: remedy)
    }

    /// Files that other programs make a tokenizer of, and why they are not read.
    private static let otherForms = [
        (name: "vocab.json", why: "an older form"),
        (
            name: "sentencepiece.bpe.model",
            why: "a SentencePiece model whose pieces get other ids by the code of its family (XLM-R, XGLM, mBART, NLLB)"
        ),
        (name: "tokenizer.tiktoken", why: "an older form"),
        (name: "tekken.json", why: "an older form"),
    ]

    private init(_ directory: String, _ tokenizer: Tokenizer) throws(Failure) {
        let configuration = try Self.optional(directory, "tokenizer_config.json")
        let map = try Self.optional(directory, "special_tokens_map.json")
        let generation = try Self.optional(directory, "generation_config.json")
        let model = try Self.optional(directory, "config.json")
        var warnings = tokenizer.warnings

        /// A token named by `key` in the tokenizer's files, else by `key`_id in the model's.
        func named(_ key: String) -> NamedToken? {
            for object in [configuration, map] {
                guard let value = object?[key], !value.isNull else { continue }
                guard let text = value.string ?? value["content"]?.string else { continue }
                if let id = tokenizer.id(of: text) { return NamedToken(text: text, id: id) }
                warnings.append("\(directory): the \(key) \"\(text)\" is not in the vocabulary")
            }
            for object in [generation, model] {
                guard let value = object?["\(key)_id"] else { continue }
                guard let id = Self.ids(value, tokenizer).first, let text = tokenizer.token(for: id) else { continue }
                return NamedToken(text: text, id: id)
            }
            return nil
        }
        beginToken = named("bos_token")
        endToken = named("eos_token")
        paddingToken = named("pad_token")
        unknownToken = named("unk_token")
        var ends: [Int32] = []
        for object in [generation, model] where ends.isEmpty {
            ends = (object?["eos_token_id"]).map { Self.ids($0, tokenizer) } ?? []
        }
        endTokenIDs = ends.isEmpty ? endToken.map { [$0.id] } ?? [] : ends
        self.warnings = warnings
        self.tokenizer = tokenizer
    }

    /// The object in a file of a directory; nil where there is no such file.
    static func optional(_ directory: String, _ name: String) throws(Failure) -> JSONObject? {
        let path = FileSystem.join(directory, name)
        guard FileSystem.status(path) != nil else { return nil }
        return try FileReader.readJSONObject(path)
    }

    /// An id or a list of ids, without those no token has.
    private static func ids(_ value: JSONValue, _ tokenizer: Tokenizer) -> [Int32] {
        (value.array ?? [value]).compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
            .filter { tokenizer.token(for: $0) != nil }
    }
}
