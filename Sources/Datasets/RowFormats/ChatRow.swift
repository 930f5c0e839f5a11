package import System

/// A conversation that a row holds.
package struct ChatRow: Sendable {
    /// Objects with `role` and `content`.
    package var messages: [JSONValue]
    /// An array of tool descriptions, or nil.
    package var tools: JSONValue?
    /// Messages of the assistant that the row itself leaves out of the loss.
    package var silentTurns: Set<Int>

    package init(messages: [JSONValue], tools: JSONValue? = nil, silentTurns: Set<Int> = []) {
        self.messages = messages
        self.tools = tools
        self.silentTurns = silentTurns
    }

    /// One question and its answer.
    package init(user: String, assistant: String, system: String? = nil, history: [(String, String)] = []) {
        var messages: [JSONValue] = []
        func add(_ role: String, _ content: String) {
            messages.append(.object(JSONObject([("role", .string(role)), ("content", .string(content))])))
        }
        if let system { add("system", system) }
        for (question, answer) in history + [(user, assistant)] {
            add("user", question)
            add("assistant", answer)
        }
        self.init(messages: messages)
    }
}

/// A conversation, or a turn of it, as tokens.
package struct EncodedChatRow: Sendable {
    package var ids: [Int32]
    /// For each token its range of UTF-8 bytes of the text.
    package var spans: [Range<Int>]
    package var isSupervised: [Bool]
    /// For each token whether its text is the template's own.
    package var isTemplate: [Bool]
    /// How the mask was made.
    package var way: String

    package init(ids: [Int32], spans: [Range<Int>], isSupervised: [Bool], isTemplate: [Bool], way: String) {
        self.ids = ids
        self.spans = spans
        self.isSupervised = isSupervised
        self.isTemplate = isTemplate
        self.way = way
    }
}

/// What turns conversations into tokens: a chat template with a tokenizer.
package protocol ChatRowEncoder: Sendable {
    /// One row, or one for each answer where the conversation as a whole has no exact mask.
    ///
    /// - Throws: `badData` where the template refuses the conversation.
    func encodeChat(_ chat: ChatRow) throws(Failure) -> [EncodedChatRow]
}
