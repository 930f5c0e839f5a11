internal import ChatTemplates
internal import System
internal import Tokenizers

/// The lines of `tokenize --chat`: conversations to text, ids and masks.
struct ConversationLines {
    private let verb: Tokenize
    private let encoder: ConversationEncoder

    init(_ verb: Tokenize, _ directory: TokenizerDirectory) throws(Failure) {
        self.verb = verb
        encoder = ConversationEncoder(
            try verb.template.requiredRenderer(model: verb.model, tokens: directory), directory.tokenizer,
            controlText: verb.controlText ?? .plain)
    }

    /// `{"text", "ids", "assistant_mask"}` of a line.
    ///
    /// - Throws: `badData` for a line that is no conversation or that the template refuses.
    func result(_ value: JSONValue, line: Int) throws(Failure) -> JSONValue {
        let conversation = try conversation(value, line: line)
        do throws(Failure) {
            let masked = try encoder.masked(conversation)
            let chat = if let masked { masked } else { try encoder.encode(conversation) }
            var result = JSONObject([
                ("text", .string(chat.text)), ("ids", .array(chat.ids.map { .integer(Int($0)) })),
            ])
            guard masked == nil else {
                result.set("assistant_mask", .array(chat.isSupervised.map { .integer($0 ? 1 : 0) }))
                return .object(result)
            }
            result.set("assistant_mask", .null)
            result.set(
                "mask_error",
                .string(
                    "no exact mask exists: the template renders the conversation otherwise than its beginnings and changes "
                        + "the assistant's words; train makes a row of each answer"))
            return .object(result)
        } catch {
            throw Failure(
                error.kind, "\(error.place.text.isEmpty ? "" : error.place.text + ": ")\(error.what)",
                at: verb.place(line), remedy: error.remedy)
        }
    }

    private func conversation(_ value: JSONValue, line: Int) throws(Failure) -> Conversation {
        guard let object = value.object else {
            throw Failure(
                .badData, "an object with messages is expected on each line, not \(value.kindName)",
                at: verb.place(line))
        }
        func wrong(_ key: String, _ expected: String) -> Failure {
            Failure(
                .badData, "holds \(object[key]?.kindName ?? "nothing") where \(expected) is expected",
                at: verb.place(line, field: key))
        }
        let known = ["messages", "tools", "add_generation_prompt", "template_args"]
        if let key = object.keys.first(where: { !known.contains($0) }) {
            throw Failure(
                .badData, "the key is unknown", at: verb.place(line, field: key),
                remedy: "The keys are \(known.joined(separator: ", "))")
        }
        func member(_ key: String) -> JSONValue? { object[key].flatMap { $0.isNull ? nil : $0 } }
        guard let messages = member("messages")?.array else { throw wrong("messages", "an array of messages") }
        guard !messages.isEmpty else {
            throw Failure(.badData, "there is no message", at: verb.place(line, field: "messages"))
        }
        if let tools = member("tools"), tools.array == nil { throw wrong("tools", "an array") }
        if let prompt = member("add_generation_prompt"), prompt.bool == nil {
            throw wrong("add_generation_prompt", "true or false")
        }
        if let arguments = member("template_args"), arguments.object == nil {
            throw wrong("template_args", "an object")
        }
        return Conversation(
            messages: messages, tools: member("tools"), arguments: member("template_args")?.object ?? JSONObject(),
            addsGenerationPrompt: member("add_generation_prompt")?.bool ?? false)
    }
}
