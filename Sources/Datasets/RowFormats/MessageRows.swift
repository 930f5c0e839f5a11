package import System

/// `{"messages": [{"role": …, "content": …}, …]}` with `tools` or not, as chat APIs write conversations. A message of
/// the assistant with `weight` or `loss_weight` 0 is not supervised.
package enum MessageRows: RowFormat {
    package static let name = "messages"
    package static let requiredFields = ["messages"]
    package static let optionalFields = ["tools"]

    package static func tokens(of row: DataRow, with encoder: RowEncoder) throws(Failure) -> [RowTokens] {
        let elements = try row.array("messages")
        var chat = ChatRow(messages: [], tools: try tools(of: row))
        for (index, element) in elements.enumerated() {
            guard var message = element.object else {
                throw row.failure(
                    "\(DataRow.describe(element)) was found where a message is expected", field: "messages",
                    element: index)
            }
            guard message["role"]?.string != nil else {
                throw row.failure(
                    "the message has no role; its keys are \(DataRow.list(message.keys))", field: "messages",
                    element: index)
            }
            if let text = plainText(message["content"]) { message.set("content", .string(text)) }
            if let fault = contentFault(message) {
                throw row.failure(
                    fault, field: "messages", element: index, remedy: "Remove the row, or give --bad-rows skip")
            }
            for key in ["weight", "loss_weight"] where message[key]?.double == 0 { chat.silentTurns.insert(index) }
            chat.messages.append(.object(message))
        }
        return try encoder.encode(chat, row: row, field: "messages")
    }

    /// Content given as a list of parts that are all text, as one text; nil for anything else.
    private static func plainText(_ content: JSONValue?) -> String? {
        guard let parts = content?.array, !parts.isEmpty else { return nil }
        var text = ""
        for part in parts {
            guard part["type"]?.string ?? "text" == "text", let piece = (part["text"] ?? part["value"])?.string else {
                return nil
            }
            text += piece
        }
        return text
    }

    /// What else than who speaks a message may say about itself.
    private static let labels: Set<String> = ["role", "content", "name", "weight", "loss_weight"]

    /// Why a content cannot be shown as what it is: templates print whatever they are given, or leave it out.
    private static func contentFault(_ message: JSONObject) -> String? {
        let content = message["content"] ?? .null
        if content.string != nil { return nil }
        guard let parts = content.array, !parts.isEmpty else {
            guard content.isNull || content.array != nil else {
                return "the content is \(DataRow.describe(content)) where text is expected"
            }
            // A call of a tool, or reasoning, may stand for words.
            return message.keys.allSatisfy(labels.contains) ? "the message has no content" : nil
        }
        for part in parts {
            if let type = part["type"]?.string, type != "text" {
                return "the content has a part of type \"\(type)\", and only text is read"
            }
            if (part["text"] ?? part["value"])?.string == nil {
                return "the content has \(DataRow.describe(part)) where a part with text is expected"
            }
        }
        return nil
    }

    /// The tools of a row: an array, or the JSON text of one.
    ///
    /// - Throws: `badData` for anything else.
    static func tools(of row: DataRow) throws(Failure) -> JSONValue? {
        guard let value = row.value("tools") else { return nil }
        var tools = value
        if let text = value.string {
            guard !text.allSatisfy(\.isWhitespace) else { return nil }
            do throws(Failure) {
                tools = try JSONParser.parse(text)
            } catch { throw row.failure("the text is no JSON: \(error.what)", field: "tools") }
        }
        guard let elements = tools.array else {
            throw row.failure(
                "\(DataRow.describe(tools)) was found where an array of tools is expected", field: "tools")
        }
        return elements.isEmpty ? nil : tools
    }
}
