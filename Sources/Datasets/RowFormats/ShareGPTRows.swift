package import System

/// `{"conversations": [{"from": "human", "value": …}, …]}` with `system` and `tools` or not. A `function_call` is a
/// message of the assistant that calls tools, an `observation` what a tool answers.
package enum ShareGPTRows: RowFormat {
    package static let name = "sharegpt"
    package static let requiredFields = ["conversations"]
    package static let optionalFields = ["system", "tools"]

    private static let roles = [
        "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "model": "assistant",
        "chatgpt": "assistant", "bard": "assistant", "bing": "assistant", "system": "system", "tool": "tool",
        "observation": "tool", "function_response": "tool", "function_call": "assistant",
    ]

    package static func tokens(of row: DataRow, with encoder: RowEncoder) throws(Failure) -> [RowTokens] {
        var chat = ChatRow(messages: [], tools: try MessageRows.tools(of: row))
        if row.has("system"), case let system = try row.string("system"), !system.isEmpty {
            chat.messages.append(message("system", content: .string(system)))
        }
        for (index, element) in try row.array("conversations").enumerated() {
            func refused(_ what: String) -> Failure { row.failure(what, field: "conversations", element: index) }
            guard let speaker = (element["from"] ?? element["role"])?.string else {
                throw refused("\(DataRow.describe(element)) has no \"from\"")
            }
            guard let role = roles[speaker] else {
                throw refused(
                    "the speaker \"\(speaker)\" is none of \(DataRow.list(roles.keys.sorted()))")
            }
            guard let text = (element["value"] ?? element["content"])?.string else {
                throw refused("the turn of \"\(speaker)\" has no text in \"value\"")
            }
            chat.messages.append(
                speaker == "function_call"
                    ? try call(text, refused) : message(role, content: .string(text)))
        }
        return try encoder.encode(chat, row: row, field: "conversations")
    }

    private static func message(_ role: String, content: JSONValue, calls: JSONValue? = nil) -> JSONValue {
        var object = JSONObject([("role", .string(role)), ("content", content)])
        if let calls { object.set("tool_calls", calls) }
        return .object(object)
    }

    /// `{"name": …, "arguments": …}` or a list of such as the calls of a message without words.
    private static func call(_ text: String, _ refused: (String) -> Failure) throws(Failure) -> JSONValue {
        let value: JSONValue
        do throws(Failure) {
            value = try JSONParser.parse(text)
        } catch { throw refused("the function call is no JSON: \(error.what)") }
        var calls: [JSONValue] = []
        for call in value.array ?? [value] {
            guard let object = call.object, object["name"]?.string != nil else {
                throw refused("the function call has no name")
            }
            calls.append(.object(JSONObject([("type", .string("function")), ("function", call)])))
        }
        return message("assistant", content: .string(""), calls: .array(calls))
    }
}
