package import System

/// A conversation and what a template is given with it.
package struct Conversation: Sendable {
    /// Objects with `role` and `content`, as chat APIs write them.
    package var messages: [JSONValue]
    /// An array of tool descriptions, or nil.
    package var tools: JSONValue?
    /// Further variables, which go over those of the options.
    package var arguments: JSONObject
    /// Whether the text ends with the header of an answer to come.
    package var addsGenerationPrompt: Bool

    package init(
        messages: [JSONValue], tools: JSONValue? = nil, arguments: JSONObject = JSONObject(),
        addsGenerationPrompt: Bool = false
    ) {
        self.messages = messages
        self.tools = tools
        self.arguments = arguments
        self.addsGenerationPrompt = addsGenerationPrompt
    }

    /// The role of a message; empty where it has none.
    func role(_ index: Int) -> String { messages[index]["role"]?.string ?? "" }

    /// Indices of what the assistant says.
    var assistantTurns: [Int] { messages.indices.filter { role($0) == "assistant" } }

    /// Roles whose words a template may leave out: of instructions, and of what tools answer.
    static let auxiliaryRoles: Set<String> = [
        "system", "developer", "tool", "tool_response", "function", "ipython", "observation", "environment",
    ]

    /// The conversation with the header of an answer to come.
    var withPrompt: Conversation {
        var copy = self
        copy.addsGenerationPrompt = true
        return copy
    }

    /// The conversation with every content that is a text as a list of one text, which some templates expect.
    var withTextParts: Conversation {
        var copy = self
        copy.messages = messages.map { message in
            guard var object = message.object, let text = object["content"]?.string else { return message }
            let part = JSONObject([("type", .string("text")), ("text", .string(text))])
            object.set("content", .array([.object(part)]))
            return .object(object)
        }
        return copy
    }

    /// Whether a message has words.
    func hasWords(_ index: Int) -> Bool {
        messages[index]["content"]?.string?.contains { !$0.isWhitespace } ?? false
    }

    /// The conversation up to a message, which is not in it.
    func before(_ index: Int, addsGenerationPrompt: Bool) -> Conversation {
        var copy = self
        copy.messages = Array(messages[..<index])
        copy.addsGenerationPrompt = addsGenerationPrompt
        return copy
    }
}

/// A template with what every rendering of a model is given: special tokens, arguments, the day.
package struct ChatRenderer: Sendable {
    package let template: ChatTemplate
    /// The template for conversations with tools, where the model has one of its own for them.
    package let toolTemplate: ChatTemplate?
    /// Names such as `bos_token` with their texts, which count as the template's own.
    package let specialTokens: [(name: String, text: String)]
    /// `--template-args`.
    package let arguments: JSONObject
    package let date: TemplateDate
    private let limits: TemplateLimits

    package init(
        template: ChatTemplate, toolTemplate: ChatTemplate? = nil, specialTokens: [(name: String, text: String)] = [],
        arguments: JSONObject = JSONObject(), date: TemplateDate, limits: TemplateLimits = TemplateLimits()
    ) {
        self.template = template
        self.toolTemplate = toolTemplate
        self.specialTokens = specialTokens
        self.arguments = arguments
        self.date = date
        self.limits = limits
    }

    /// Variables of the template that arguments may not replace.
    package static let reservedNames = ["messages", "tools", "documents", "add_generation_prompt"]

    /// The text of a conversation. Without tools `tools` is none, as transformers gives it; a template that fails with
    /// that is tried again without the variable.
    ///
    /// - Throws: as `ChatTemplate.render`; `badData` for an argument with the name of a variable that is not one.
    package func render(_ conversation: Conversation) throws(Failure) -> TaggedText {
        let template = template(for: conversation)
        var context = try context(conversation)
        do throws(Failure) {
            return try template.render(context, date: date, limits: limits)
        } catch {
            guard conversation.tools == nil else { throw error }
            context["tools"] = nil
            guard let text = try? template.render(context, date: date, limits: limits) else { throw error }
            return text
        }
    }

    /// The template that a conversation is rendered with.
    func template(for conversation: Conversation) -> ChatTemplate {
        conversation.tools == nil ? template : toolTemplate ?? template
    }

    private func context(_ conversation: Conversation) throws(Failure) -> [String: Value] {
        do throws(TemplateError) {
            var context: [String: Value] = [:]
            for (name, text) in specialTokens { context[name] = .text(text) }
            context["documents"] = Value.none
            for (members, isOption) in [(arguments.members, true), (conversation.arguments.members, false)] {
                for member in members {
                    guard !Self.reservedNames.contains(member.key) || member.key == "documents" else {
                        throw TemplateError("the template argument '\(member.key)' is set by the conversation itself")
                    }
                    // An argument of a row is data, unless it stands for a special token by name.
                    let isOwn = isOption || member.key.hasSuffix("_token")
                    context[member.key] = try DataValues.value(member.value, isOwn ? .template : .data)
                }
            }
            var messages: [Value] = []
            for (index, message) in conversation.messages.enumerated() {
                messages.append(try DataValues.message(message, index: index))
            }
            context["messages"] = .sequence(try ValueSequence(messages))
            context["tools"] =
                try conversation.tools.map { (tools) throws(TemplateError) in
                    try DataValues.value(tools, .data)
                } ?? Value.none
            context["add_generation_prompt"] = .bool(conversation.addsGenerationPrompt)
            return context
        } catch { throw error.failure(in: [], named: template.name) }
    }
}
