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
    /// The id that ends a text; nil where there is none, and nothing is appended.
    package var endToken: Int32?
    /// Rows of the model's embedding: ids are below it.
    package var vocabularySize: Int

    package init(tokenizer: (any RowTokenizer)?, endToken: Int32?, vocabularySize: Int) {
        self.tokenizer = tokenizer
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
        if let index = encoded.ids.firstIndex(where: { Int($0) >= vocabularySize || $0 < 0 }) {
            throw row.failure(
                "the tokenizer gives the id \(encoded.ids[index]), outside the model's vocabulary of \(vocabularySize)",
                remedy: "Use the tokenizer that belongs to the model")
        }
        return encoded
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

    /// - Parameters:
    ///   - encoded: ids and spans.
    ///   - firstSupervised: index of the first token whose label is its id; all after it are supervised too.
    ///   - supervisedByteCount: bytes of the text that they stand for.
    init(_ encoded: EncodedText, firstSupervised: Int, supervisedByteCount: Int) {
        ids = encoded.ids
        labels = encoded.ids
        for index in 0..<min(firstSupervised, labels.count) { labels[index] = TrainingRow.ignored }
        var end = 0
        byteCounts = encoded.spans.map { span in
            let added = max(0, span.upperBound - end)
            end = max(end, span.upperBound)
            return added
        }
        self.supervisedByteCount = supervisedByteCount
    }

    init(ids: [Int32], labels: [Int32]) {
        self.ids = ids
        self.labels = labels
    }
}
