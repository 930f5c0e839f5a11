package import System

/// `{"prompt": …, "completion": …}`: one user and one assistant message where there is a chat template. Without one
/// joined as they are and tokenized together; the first token that holds a byte of the completion is the first
/// supervised, the end token the last.
package enum PromptCompletionRows: RowFormat {
    package static let name = "prompt-completion"
    package static let requiredFields = ["prompt", "completion"]
    package static let optionalFields: [String] = []

    package static func tokens(of row: DataRow, with encoder: RowEncoder) throws(Failure) -> [RowTokens] {
        let prompt = try row.string("prompt"), completion = try row.string("completion")
        guard encoder.chat == nil else {
            guard !completion.isEmpty else { throw RowEncoder.emptyCompletion(row, field: "completion") }
            return try encoder.encode(ChatRow(user: prompt, assistant: completion), row: row, field: "completion")
        }
        return [try encoder.encode(prompt: prompt, completion: completion, row: row, field: "completion")]
    }
}
