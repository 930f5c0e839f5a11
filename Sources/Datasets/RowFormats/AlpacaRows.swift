package import System

/// `{"instruction": …, "output": …}` with `input`, `system` and `history` or not: a question (the instruction, a blank
/// line, the input) and its answer, as a conversation; without a chat template joined as they are.
package enum AlpacaRows: RowFormat {
    package static let name = "alpaca"
    package static let requiredFields = ["instruction", "output"]
    package static let optionalFields = ["input", "system", "history"]

    package static func tokens(of row: DataRow, with encoder: RowEncoder) throws(Failure) -> [RowTokens] {
        func optional(_ field: String) throws(Failure) -> String? {
            guard row.has(field), case let text = try row.string(field), !text.isEmpty else { return nil }
            return text
        }
        let parts = [try row.string("instruction"), try optional("input")].compactMap { $0 }.filter { !$0.isEmpty }
        let question = parts.joined(separator: "\n\n"), answer = try row.string("output")
        let system = try optional("system")
        let history = try history(of: row)
        guard encoder.chat == nil else {
            return try encoder.encode(
                ChatRow(user: question, assistant: answer, system: system, history: history), row: row, field: "output")
        }
        let before = [system].compactMap { $0 } + history.flatMap { [$0.0, $0.1] }
        return [
            try encoder.encode(
                prompt: (before + [question]).joined(separator: "\n\n"), completion: answer, row: row, field: "output")
        ]
    }

    /// Earlier questions and answers: a list of pairs.
    private static func history(of row: DataRow) throws(Failure) -> [(String, String)] {
        guard row.has("history") else { return [] }
        var turns: [(String, String)] = []
        for (index, element) in try row.array("history").enumerated() {
            guard let pair = element.array, pair.count == 2, let question = pair[0].string, let answer = pair[1].string
            else {
                throw row.failure(
                    "\(DataRow.describe(element)) was found where a pair of question and answer is expected",
                    field: "history", element: index)
            }
            turns.append((question, answer))
        }
        return turns
    }
}
