package import System

/// `{"prompt": …, "completion": …}` without a chat template: joined as they are and tokenized together; the first token
/// that holds a byte of the completion is the first supervised, the end token the last.
package enum PromptCompletionRows: RowFormat {
    package static let name = "prompt-completion"
    package static let requiredFields = ["prompt", "completion"]
    package static let optionalFields: [String] = []

    package static func tokens(of row: DataRow, with encoder: RowEncoder) throws(Failure) -> RowTokens {
        let prompt = try row.string("prompt"), completion = try row.string("completion")
        guard !completion.isEmpty else {
            throw row.failure(
                "the completion is empty", field: "completion", remedy: "Remove the row, or give --bad-rows skip")
        }
        let encoded = try encoder.encode(prompt + completion, row: row)
        let boundary = prompt.utf8.count
        let first = encoded.spans.firstIndex { $0.upperBound > boundary && !$0.isEmpty } ?? encoded.ids.count
        return RowTokens(encoded, firstSupervised: first, supervisedByteCount: completion.utf8.count)
    }
}
