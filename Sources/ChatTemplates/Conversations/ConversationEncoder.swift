package import System
package import Tokenizers

/// A conversation as tokens.
package struct EncodedChat: Sendable {
    package let text: String
    package let ids: [Int32]
    /// For each token its range of UTF-8 bytes of the text.
    package let ranges: [Range<Int>]
    /// For each token whether it holds text that is supervised.
    package let isSupervised: [Bool]
    /// For each token whether all its text is the template's own.
    package let isTemplate: [Bool]
    package let way: MaskWay
}

/// Turns conversations into tokens and masks, for one template and tokenizer.
package struct ConversationEncoder: Sendable {
    package let renderer: ChatRenderer
    private let tokenizer: Tokenizer
    private let masks: MaskBuilder
    /// How control tokens that stand in messages, tools and arguments are read.
    private let controlText: ControlText

    package init(_ renderer: ChatRenderer, _ tokenizer: Tokenizer, controlText: ControlText = .plain) {
        self.renderer = renderer
        self.tokenizer = tokenizer
        self.controlText = controlText
        masks = MaskBuilder(renderer, controlTokens: tokenizer.specialTokenTexts)
    }

    /// The tokens of a prompt: the conversation up to the header of an answer to come.
    package func prompt(_ messages: [JSONValue]) throws(Failure) -> [Int32] {
        try encode(readable(Conversation(messages: messages, addsGenerationPrompt: true))).ids
    }

    /// Whether a text has words of each message of the user and the assistant that has some.
    private func holds(_ text: TaggedText, _ conversation: Conversation) -> Bool {
        let seen = Set(text.units.lazy.map { Origin.tag(of: $0) })
        return conversation.messages.indices.allSatisfy { index in
            !["user", "assistant"].contains(conversation.role(index)) || !conversation.hasWords(index)
                || seen.contains(Origin.tag(of: Origin.message(index).bits))
        }
    }

    /// The conversation in the form in which the template shows what is said: contents as texts, or, where the template
    /// leaves texts out, as lists of parts.
    private func readable(_ conversation: Conversation) -> Conversation {
        if let text = try? renderer.render(conversation), holds(text, conversation) { return conversation }
        let parts = conversation.withTextParts
        guard let text = try? renderer.render(parts), holds(text, conversation) else { return conversation }
        return parts
    }

    /// The tokens of a conversation as they are, without a mask.
    package func encode(_ conversation: Conversation) throws(Failure) -> EncodedChat {
        encoded(MaskedChat(text: try renderer.render(conversation), spans: [], way: .prefixes))
    }

    /// The tokens of a conversation with the mask of everything the assistant says.
    ///
    /// - Returns: nil where there is no exact mask.
    package func masked(_ conversation: Conversation) throws(Failure) -> EncodedChat? {
        try masks.whole(conversation, turns: conversation.assistantTurns).map(encoded)
    }

    /// The rows that a conversation is trained as: one, or one for each of the assistant's turns.
    ///
    /// - Parameters:
    ///   - trainOn: what is supervised.
    ///   - silentTurns: messages of the assistant that are not supervised.
    /// - Throws: `badData` where the conversation cannot be rendered, says nothing to learn, or has no exact mask.
    package func rows(_ conversation: Conversation, trainOn: TrainOn, silentTurns: Set<Int> = []) throws(Failure)
        -> [EncodedChat]
    {
        let readable = readable(conversation)
        if trainOn == .all { return [encoded(try masks.everything(readable))] }
        var turns = conversation.assistantTurns.filter { !silentTurns.contains($0) }
        guard let last = turns.last else {
            throw Failure(
                .badData, Self.nothingToLearn(conversation), remedy: "Remove the row, or give --bad-rows skip")
        }
        if trainOn == .last { turns = [last] }
        let text = try renderer.render(readable)
        for index in conversation.messages.indices where conversation.hasWords(index) {
            let role = conversation.role(index)
            let isWanted =
                role == "assistant" ? turns.contains(index) : !Conversation.auxiliaryRoles.contains(role)
            guard isWanted,
                !text.units.contains(where: { Origin($0) == .message(min(index, Origin.lastMessage)) })
            else { continue }
            throw Failure(
                .badData, "the template leaves out what message \(index) says, whose role is \"\(role)\"",
                at: .init(file: renderer.template.name),
                remedy: ["user", "assistant"].contains(role)
                    ? "Use another template" : "Give it a role that the template knows, or use another template")
        }
        return try masks.rows(readable, turns: turns).map(encoded)
    }

    private static func nothingToLearn(_ conversation: Conversation) -> String {
        guard !conversation.messages.isEmpty else { return "there is no message" }
        guard conversation.assistantTurns.isEmpty else {
            return "no message of the assistant is to be learned from: all have the weight 0"
        }
        let names = conversation.messages.indices.map { "\"\(conversation.role($0))\"" }
        let roles = names.enumerated().filter { names.firstIndex(of: $0.element) == $0.offset }.map(\.element)
        return "no message has the role \"assistant\", which is learned from; the roles are "
            + roles.prefix(6).joined(separator: ", ")
    }

    /// What the template ends a turn of the assistant with, where it can be found out: a control token, or the text of
    /// one that this tokenizer does not have.
    package func turnEnding() -> (id: Int32?, text: String?) {
        let words = "answer"
        let messages = [("user", "question"), ("assistant", words)].map { role, content in
            JSONValue.object(JSONObject([("role", .string(role)), ("content", .string(content))]))
        }
        guard let chat = try? masked(Conversation(messages: messages)), let place = chat.text.range(of: words) else {
            return (nil, nil)
        }
        let start = chat.text.utf8.distance(from: chat.text.startIndex, to: place.upperBound)
        var rest: [UInt8] = []
        for (index, range) in chat.ranges.enumerated() where chat.isSupervised[index] && range.lowerBound >= start {
            if tokenizer.isSpecial(chat.ids[index]) { return (chat.ids[index], nil) }
            rest = Array(chat.text.utf8.dropFirst(start))
        }
        let text = String(decoding: rest, as: UTF8.self).trimmed
        return (nil, text.isEmpty ? nil : text)
    }

    private func encoded(_ chat: MaskedChat) -> EncodedChat {
        let text = chat.text.string
        let data = chat.text.byteRanges(chat.text.runs { Origin($0) != .template })
        let tokens =
            controlText == .plain
            ? tokenizer.encodeWithOffsets(text, plainRanges: data)
            : tokenizer.encodeWithOffsets(text, addSpecialTokens: false)
        return EncodedChat(
            text: text, ids: tokens.ids, ranges: tokens.ranges,
            isSupervised: Self.overlaps(tokens.ranges, chat.text.byteRanges(chat.spans)),
            isTemplate: Self.overlaps(tokens.ranges, data).map { !$0 }, way: chat.way)
    }

    /// For each token whether it has a byte in one of the spans: the rule of transformers' assistant masks.
    private static func overlaps(_ tokens: [Range<Int>], _ spans: [Range<Int>]) -> [Bool] {
        var next = 0
        return tokens.map { token in
            while next < spans.count, spans[next].upperBound <= token.lowerBound { next += 1 }
            return next < spans.count && !token.isEmpty && spans[next].lowerBound < token.upperBound
        }
    }
}

extension String {
    /// The last occurrence of a text.
    fileprivate func range(of text: String) -> Range<Index>? { ranges(of: text).last }

    /// Without white space at its ends.
    fileprivate var trimmed: String {
        let middle = drop(while: \.isWhitespace)
        return String(middle.reversed().drop(while: \.isWhitespace).reversed())
    }
}
