package import System

/// A kind of row: which fields it has and what tokens it becomes. One file here and one line in `RowFormats.all`.
package protocol RowFormat: Sendable {
    /// The value of `--data-format`.
    static var name: String { get }
    /// Fields that a row of this kind has, all of them; their presence is how it is recognised.
    static var requiredFields: [String] { get }
    /// Fields that it may have.
    static var optionalFields: [String] { get }

    /// Makes the tokens and labels of a row, of any length; of several rows where it has to be cut by its meaning.
    ///
    /// - Throws: `badData` naming the place, the field and the value.
    static func tokens(of row: DataRow, with encoder: RowEncoder) throws(Failure) -> [RowTokens]
}

/// The row formats there are.
package enum RowFormats {
    package static let all: [any RowFormat.Type] = [
        TextRows.self,
        MessageRows.self,
        ShareGPTRows.self,
        AlpacaRows.self,
        PromptCompletionRows.self,
        TokenIdRows.self,
    ]

    /// The values of `--data-format`.
    package static var names: [String] { all.map { $0.name } }

    /// Every field of every format, once.
    package static var fields: [String] {
        var seen: Set<String> = []
        return all.flatMap { $0.requiredFields + $0.optionalFields }.filter { seen.insert($0).inserted }
    }

    /// The format of a name.
    ///
    /// - Throws: `usage` naming the formats there are.
    package static func named(_ name: String) throws(Failure) -> any RowFormat.Type {
        guard let format = all.first(where: { $0.name == name }) else {
            throw Failure(
                .usage, "there is no data format \"\(name)\"", remedy: "Give one of \(names.joined(separator: ", "))")
        }
        return format
    }

    /// Recognises a row by its fields: exactly one format has all its required fields there and uses every field that
    /// the column mapping names.
    ///
    /// - Throws: `badData` listing the row's keys where no format fits, or naming the formats where several do.
    static func recognise(_ row: DataRow) throws(Failure) -> any RowFormat.Type {
        let fitting = all.filter { format in
            let fields = format.requiredFields + format.optionalFields
            return format.requiredFields.allSatisfy(row.has)
                && row.columns.pairs.allSatisfy { fields.contains($0.field) }
        }
        if fitting.count == 1 { return fitting[0] }
        guard fitting.isEmpty else {
            throw row.failure(
                "the row fits the formats \(fitting.map { $0.name }.joined(separator: " and ")); "
                    + "its keys are \(DataRow.list(row.object.keys))",
                remedy: "Name the one that is meant: --data-format \(fitting[0].name)")
        }
        throw row.failure(
            "the row fits no format; its keys are \(DataRow.list(row.object.keys))", remedy: suggestion(for: row))
    }

    /// What a row lacks that has some of the fields that a format needs, as a remedy; nil for any other row.
    private static func completion(for row: DataRow, _ texts: [String]) -> String? {
        for format in all where format.requiredFields.contains(where: row.has) {
            let missing = format.requiredFields.filter { !row.has($0) }
            let fields = format.requiredFields + format.optionalFields
            guard let field = missing.first, missing.count == 1 else { continue }
            guard let other = texts.first(where: { !fields.contains($0) }) else {
                return "A row of the format \(format.name) needs \(DataRow.list(missing)), too"
            }
            return "Say which column holds the \(field): --columns \(field)=\(other)"
        }
        return nil
    }

    /// The `--columns` that would read a row, as a remedy.
    static func suggestion(for row: DataRow) -> String {
        let texts = row.object.members.filter { $0.value.string != nil }.map(\.key)
        let lists = row.object.members.filter { $0.value.array?.first?.integer != nil }.map(\.key)
        let chats = row.object.members.filter { $0.value.array?.first?.object != nil }
        if let chat = chats.first {
            let isShareGPT = chat.value.array?.first?["from"] != nil
            return
                "Say which column holds the conversation: --columns \(isShareGPT ? "conversations" : "messages")=\(chat.key)"
        }
        if row.object["content"] != nil, row.object["role"] != nil {
            return "It is a message: put the messages of a conversation in one row, as {\"messages\": [...]}"
        }
        if let completion = completion(for: row, texts) { return completion }
        let known = all.map { "\($0.name) (\($0.requiredFields.joined(separator: ", ")))" }.joined(separator: ", ")
        if texts.count >= 2 {
            return "Say which columns hold the text, e.g. --columns prompt=\(texts[0]),completion=\(texts[1])"
        }
        if let text = texts.first { return "Say which column holds the text: --columns text=\(text)" }
        if let list = lists.first { return "Say which column holds the token ids: --columns input_ids=\(list)" }
        return "The formats are \(known)"
    }
}
