internal import System

/// What the files beside a `tokenizer.model` say about it: tokenizer_config.json, special_tokens_map.json and
/// added_tokens.json.
struct SentencePieceSettings {
    /// The configuration file, for messages.
    let file: String
    /// Whether a space is put before every part between special tokens (`legacy`), or before the text only.
    let prefixesEveryPart: Bool
    /// Tokens before and after a text, by name.
    let prefix: [String]
    let suffix: [String]
    /// Tokens with flags, by content: from `added_tokens_decoder`, else without flags.
    private var named: [(content: String, id: Int?, flags: JSONObject?, isSpecial: Bool)] = []

    /// Classes whose tokenizers put the begin token before a text unless told otherwise.
    private static let beginning = ["LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer"]
    /// Classes whose tokenizers put the end token behind a text.
    private static let ending = ["T5Tokenizer", "MT5Tokenizer"]
    private static let tokenKeys = [
        "bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token",
    ]

    init(_ directory: String) throws(Failure) {
        file = FileSystem.join(directory, "tokenizer_config.json")
        let configuration = try TokenizerDirectory.optional(directory, "tokenizer_config.json")
        let map = try TokenizerDirectory.optional(directory, "special_tokens_map.json")
        var kind = configuration?["tokenizer_class"]?.string ?? ""
        if kind.hasSuffix("Fast") { kind.removeLast(4) }
        prefixesEveryPart = configuration?["legacy"]?.bool ?? !Self.beginning.contains(kind)

        func token(_ key: String) -> String? {
            let value = configuration?[key] ?? map?[key]
            return value?.string ?? value?["content"]?.string
        }
        let addsBegin = configuration?["add_bos_token"]?.bool ?? Self.beginning.contains(kind)
        let addsEnd = configuration?["add_eos_token"]?.bool ?? Self.ending.contains(kind)
        prefix = addsBegin ? [token("bos_token") ?? "<s>"] : []
        suffix = addsEnd ? [token("eos_token") ?? "</s>"] : []

        for member in configuration?["added_tokens_decoder"]?.object?.members ?? [] {
            guard let content = member.value["content"]?.string, let id = Int(member.key) else {
                throw Failure(
                    .badData, "an id and a token with content are expected",
                    at: .init(file: file, field: "added_tokens_decoder.\(member.key)"))
            }
            named.append((content, id, member.value.object, member.value["special"]?.bool ?? false))
        }
        let added = try TokenizerDirectory.optional(directory, "added_tokens.json")
        named += (added?.members ?? []).map { ($0.key, $0.value.integer, nil, false) }
        named.sort { ($0.id ?? .max) < ($1.id ?? .max) }
        named += Self.tokenKeys.compactMap(token).map { ($0, nil, nil, true) }
        for object in [configuration, map] {
            for value in object?["additional_special_tokens"]?.array ?? [] {
                if let content = value.string ?? value["content"]?.string { named.append((content, nil, nil, true)) }
            }
        }
    }

    /// The added tokens in the form of tokenizer.json: the control pieces of the model, then what the files name; those
    /// that the model's vocabulary has not, with ids behind it.
    func addedTokens(_ controlPieces: [(text: String, id: Int32)], _ vocabulary: Vocabulary) -> [JSONValue] {
        var nextID = vocabulary.idEnd
        var tokens: [JSONValue] = []
        var seen: Set<[UInt8]> = []
        let pieces = controlPieces.map { piece in
            let known = named.first { $0.content.utf8.elementsEqual(piece.text.utf8) }
            return (content: piece.text, id: Int?.some(Int(piece.id)), flags: known?.flags, isSpecial: true)
        }
        for token in pieces + named where !token.content.isEmpty && seen.insert(Array(token.content.utf8)).inserted {
            var members: [(String, JSONValue)] = [
                ("content", .string(token.content)), ("special", .bool(token.isSpecial)), ("normalized", .bool(false)),
            ]
            let known = vocabulary.id(Array(token.content.utf8)).map { Int($0) }
            members.append(("id", .integer(token.id ?? known ?? nextID)))
            if known == nil { nextID += 1 }
            for flag in ["lstrip", "rstrip", "single_word"] {
                if let value = token.flags?[flag]?.bool { members.append((flag, .bool(value))) }
            }
            tokens.append(.object(JSONObject(members)))
        }
        return tokens
    }

    /// The ids of the tokens of a template.
    func templateIDs(_ tokens: [String], _ vocabulary: Vocabulary) throws(Failure) -> [Int32] {
        var ids: [Int32] = []
        for token in tokens {
            guard let id = vocabulary.id(Array(token.utf8)) else {
                throw Failure(
                    .badData, "the token \"\(token)\" is to stand around every text and is not in the vocabulary",
                    at: .init(file: file))
            }
            ids.append(id)
        }
        return ids
    }
}
