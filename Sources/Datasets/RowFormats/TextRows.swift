package import System

/// `{"text": …}`: every token is supervised; the tokenizer's own special tokens, and the end token unless there.
package enum TextRows: RowFormat {
    package static let name = "text"
    package static let requiredFields = ["text"]
    package static let optionalFields: [String] = []

    package static func tokens(of row: DataRow, with encoder: RowEncoder) throws(Failure) -> [RowTokens] {
        let text = try row.string("text")
        guard !text.isEmpty else {
            throw row.failure("the text is empty", field: "text", remedy: "Remove the row, or give --bad-rows skip")
        }
        let encoded = try encoder.encode(text, row: row)
        return [RowTokens(encoded, firstSupervised: 0, supervisedByteCount: text.utf8.count)]
    }
}
