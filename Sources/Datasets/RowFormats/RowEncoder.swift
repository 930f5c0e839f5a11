package import System

/// What rows need of a tokenizer.
package protocol RowTokenizer: Sendable {
    /// Encodes text; control tokens that it spells are encoded as plain text.
    ///
    /// - Parameter addSpecialTokens: whether the tokenizer's own special tokens (a beginning of text, say) are added.
    func encodeRow(_ text: String, addSpecialTokens: Bool) throws(Failure) -> EncodedText
}

/// Token ids with the bytes of the text that each stands for.
package struct EncodedText: Sendable {
    package var ids: [Int32]
    /// For each token its range of UTF-8 bytes of the text; empty for tokens that stand for none (special tokens).
    package var spans: [Range<Int>]

    package init(ids: [Int32], spans: [Range<Int>]) {
        self.ids = ids
        self.spans = spans
    }
}

/// What row formats make tokens with.
package struct RowEncoder: Sendable {
    /// nil where the model has none: then only rows of token ids can be read.
    package var tokenizer: (any RowTokenizer)?
    /// nil where the model has no chat template, or rows are to be taken as they are.
    package var chat: (any ChatRowEncoder)?
    /// The id that ends a text; nil where there is none, and nothing is appended.
    package var endToken: Int32?
    /// Rows of the model's embedding: ids are below it.
    package var vocabularySize: Int

    package init(
        tokenizer: (any RowTokenizer)?, chat: (any ChatRowEncoder)? = nil, endToken: Int32?, vocabularySize: Int
    ) {
        self.tokenizer = tokenizer
        self.chat = chat
        self.endToken = endToken
        self.vocabularySize = vocabularySize
    }

    /// Encodes the text of a row and appends the end token unless it is there already.
    func encode(_ text: String, row: DataRow) throws(Failure) -> EncodedText {
        guard let tokenizer else {
            throw row.failure(
                "the row holds text, and the model has no tokenizer", remedy: "Give rows of input_ids, or a tokenizer")
        }
        var encoded = try tokenizer.encodeRow(text, addSpecialTokens: true)
        if let endToken, encoded.ids.last != endToken {
            encoded.ids.append(endToken)
            encoded.spans.append(text.utf8.count..<text.utf8.count)
        }
        try check(encoded.ids, row: row)
        return encoded
    }

    private func check(_ ids: [Int32], row: DataRow) throws(Failure) {
        guard let id = ids.first(where: { Int($0) >= vocabularySize || $0 < 0 }) else { return }
        throw row.failure(
            "the tokenizer gives the id \(id), outside the model's vocabulary of \(vocabularySize)",
            remedy: "Use the tokenizer that belongs to the model")
    }

    static func emptyCompletion(_ row: DataRow, field: String) -> Failure {
        row.failure("the completion is empty", field: field, remedy: "Remove the row, or give --bad-rows skip")
    }

    /// A prompt and its completion as they are: the first token that holds a byte of the completion is the first
    /// supervised, the end token the last.
    func encode(prompt: String, completion: String, row: DataRow, field: String) throws(Failure) -> RowTokens {
        guard !completion.isEmpty else { throw Self.emptyCompletion(row, field: field) }
        let encoded = try encode(prompt + completion, row: row)
        let boundary = prompt.utf8.count
        let first = encoded.spans.firstIndex { $0.upperBound > boundary && !$0.isEmpty } ?? encoded.ids.count
        return RowTokens(encoded, firstSupervised: first, supervisedByteCount: completion.utf8.count)
    }

    /// A conversation with the chat template.
    ///
    /// - Parameter field: the field that a refusal points at.
    func encode(_ chat: ChatRow, row: DataRow, field: String) throws(Failure) -> [RowTokens] {
        guard let encoder = self.chat else {
            throw row.failure(
                "the row is a conversation, and there is no chat template", field: field,
                remedy: tokenizer == nil ? "Add the model's tokenizer" : "Name one, such as --chat-template chatml")
        }
        let encoded: [EncodedChatRow]
        do throws(Failure) {
            encoded = try encoder.encodeChat(chat)
        } catch {
            guard error.kind == .badData else { throw error }
            let place = error.place.text
            throw row.failure(
                "the conversation cannot be used: \(place.isEmpty ? "" : place + ": ")\(error.what)", field: field,
                remedy: error.remedy)
        }
        var rows: [RowTokens] = []
        for part in encoded {
            try check(part.ids, row: row)
            rows.append(RowTokens(part))
        }
        return rows
    }
}

/// The tokens of a whole row, before the length rule.
package struct RowTokens: Sendable {
    var ids: [Int32]
    var labels: [Int32]
    /// Bytes of text of each token, nil where the row came without text.
    var byteCounts: [Int]?
    /// UTF-8 bytes of the supervised text, nil where the row came without text.
    var supervisedByteCount: Int?
    /// How the mask of a conversation was made, nil for other rows.
    var maskWay: String?
    /// For each token of a conversation whether its text is the template's own.
    var isTemplate: [Bool]?

    /// A conversation; what is supervised may lie in several places.
    init(_ chat: EncodedChatRow) {
        ids = chat.ids
        labels = zip(chat.ids, chat.isSupervised).map { $1 ? $0 : TrainingRow.ignored }
        let counts = Self.byteCounts(chat.spans)
        byteCounts = counts
        supervisedByteCount = zip(counts, chat.isSupervised).reduce(0) { $0 + ($1.1 ? $1.0 : 0) }
        maskWay = chat.way
        isTemplate = chat.isTemplate
    }

    /// Bytes of text that each token adds to those before it.
    private static func byteCounts(_ spans: [Range<Int>]) -> [Int] {
        var end = 0
        return spans.map { span in
            let added = max(0, span.upperBound - end)
            end = max(end, span.upperBound)
            return added
        }
    }

    /// - Parameters:
    ///   - encoded: ids and spans.
    ///   - firstSupervised: index of the first token whose label is its id; all after it are supervised too.
    ///   - supervisedByteCount: bytes of the text that they stand for.
    init(_ encoded: EncodedText, firstSupervised: Int, supervisedByteCount: Int) {
        ids = encoded.ids
        labels = encoded.ids
        for index in 0..<min(firstSupervised, labels.count) { labels[index] = TrainingRow.ignored }
        byteCounts = Self.byteCounts(encoded.spans)
        self.supervisedByteCount = supervisedByteCount
    }

    init(ids: [Int32], labels: [Int32]) {
        self.ids = ids
        self.labels = labels
    }
}
