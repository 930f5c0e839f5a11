internal import ChatTemplates
internal import Datasets
internal import DecoderModels
internal import ModelFiles
internal import System
internal import Tokenizers

extension RowEncoder {
    /// What makes tokens of rows for a model: its tokenizer, where its directory has one, its end token, and the chat
    /// template that the options choose.
    ///
    /// - Parameter adapter: the directory of an adapter that rows are evaluated with.
    static func forModel(
        _ directory: ModelDirectory, _ configuration: DecoderConfiguration, _ options: DataOptions,
        adapter: String? = nil
    ) throws(Failure) -> RowEncoder {
        guard TokenizerDirectory.isPresent(in: directory.path) else {
            return RowEncoder(nil, vocabularySize: configuration.vocabularySize)
        }
        let tokenizer = try TokenizerDirectory.load(directory.path)
        var encoder = RowEncoder(tokenizer, vocabularySize: configuration.vocabularySize)
        if !options.raw,
            let renderer = try options.chat.renderer(
                model: directory.path, adapter: adapter, tokens: tokenizer)
        {
            encoder.chat = TemplateRows(
                encoder: ConversationEncoder(renderer, tokenizer.tokenizer), trainOn: options.trainOn)
        }
        return encoder
    }

    /// What conversations are rendered with; nil where rows are taken as they are.
    var chatRenderer: ChatRenderer? { (chat as? TemplateRows)?.encoder.renderer }
}

/// Conversations of rows through a chat template.
struct TemplateRows: ChatRowEncoder {
    let encoder: ConversationEncoder
    let trainOn: TrainOn

    func encodeChat(_ chat: ChatRow) throws(Failure) -> [EncodedChatRow] {
        try encoder.rows(
            Conversation(messages: chat.messages, tools: chat.tools), trainOn: trainOn, silentTurns: chat.silentTurns
        ).map { row in
            EncodedChatRow(
                ids: row.ids, spans: row.ranges, isSupervised: row.isSupervised, isTemplate: row.isTemplate,
                way: row.way.rawValue)
        }
    }
}
