package import System

/// Finds what the assistant says in the text of a conversation, to the character.
///
/// A turn's span begins where the prompt ends that the model is given at inference and ends where the template ends the
/// turn, so that it holds the end-of-turn token. Four ways are tried in the order of `MaskWay`; the first three for
/// each turn, the last for the whole conversation where one turn resists them.
package struct MaskBuilder: Sendable {
    private let renderer: ChatRenderer
    /// Texts of the tokenizer's control tokens: where a turn may end.
    private let controlTokens: [TaggedText]

    package init(_ renderer: ChatRenderer, controlTokens: [String] = []) {
        self.renderer = renderer
        self.controlTokens = controlTokens.map { TaggedText($0) }
    }

    /// The conversation as one text with the spans of its turns.
    ///
    /// - Parameter turns: indices of the assistant's messages that are wanted, ascending.
    /// - Returns: nil where no exact mask exists.
    /// - Throws: where the conversation itself cannot be rendered.
    package func whole(_ conversation: Conversation, turns: [Int]) throws(Failure) -> MaskedChat? {
        let text = try renderer.render(conversation)
        if let marked = marked(text, conversation, turns) { return marked }
        return masked(text, conversation, turns)
    }

    /// The rows that a conversation becomes: one, or one for each turn.
    ///
    /// - Throws: `badData` where the conversation cannot be rendered or has no exact mask in any way.
    package func rows(_ conversation: Conversation, turns: [Int]) throws(Failure) -> [MaskedChat] {
        if let whole = try whole(conversation, turns: turns) { return [whole] }
        var rows: [MaskedChat] = []
        for turn in turns {
            let own = conversation.before(turn + 1, addsGenerationPrompt: false)
            guard let row = masked(try renderer.render(own), own, [turn]) else {
                throw Failure(
                    .badData, "no exact mask exists for what message \(turn) says",
                    at: .init(file: renderer.template.name),
                    remedy: "Use a template with {% generation %}, or give --train-on all")
            }
            rows.append(MaskedChat(text: row.text, spans: row.spans, way: .turns))
        }
        return rows
    }

    /// The whole conversation as supervised text.
    package func everything(_ conversation: Conversation) throws(Failure) -> MaskedChat {
        let text = try renderer.render(conversation)
        return MaskedChat(text: text, spans: text.isEmpty ? [] : [0..<text.count], way: .prefixes)
    }

    private func rendered(_ conversation: Conversation) -> TaggedText? { try? renderer.render(conversation) }

    // MARK: Marks of the template

    private func marked(_ text: TaggedText, _ conversation: Conversation, _ turns: [Int]) -> MaskedChat? {
        guard renderer.template(for: conversation).marksGeneration else { return nil }
        let runs = text.runs { $0 & TaggedText.generationFlag != 0 }
        guard !runs.isEmpty || turns.isEmpty else { return nil }
        guard turns != conversation.assistantTurns else { return MaskedChat(text: text, spans: runs, way: .generation) }
        var message: Int?
        let wanted = runs.filter { run in
            for unit in text.units[run] {
                if case .message(let index) = Origin(unit) {
                    message = index
                    break
                }
            }
            return message.map { turns.contains($0) } ?? false
        }
        return MaskedChat(text: text, spans: wanted, way: .generation)
    }

    // MARK: Prefixes and substitution

    private func masked(_ text: TaggedText, _ conversation: Conversation, _ turns: [Int]) -> MaskedChat? {
        var spans: [Range<Int>] = [], way = MaskWay.prefixes
        for turn in turns {
            var span = prefixSpan(text, conversation, turn)
            if span == nil {
                span = substitutionSpan(text, conversation, turn)
                way = .substitution
            }
            // A turn that the template leaves out says nothing.
            if span == nil, turn < Origin.lastMessage, !text.units.contains(where: { Origin($0) == .message(turn) }) {
                continue
            }
            guard let span, span.lowerBound >= spans.last?.upperBound ?? 0 else { return nil }
            if !span.isEmpty { spans.append(span) }
        }
        return MaskedChat(text: text, spans: spans, way: way)
    }

    /// The span between the prompt at inference and the end of the turn, where the text begins with both.
    private func prefixSpan(_ text: TaggedText, _ conversation: Conversation, _ turn: Int) -> Range<Int>? {
        guard let prompt = rendered(conversation.before(turn, addsGenerationPrompt: true)), text.hasPrefix(prompt)
        else { return nil }
        let beginning = conversation.before(turn + 1, addsGenerationPrompt: false)
        let isWhole = turn == conversation.messages.count - 1
        guard let end = isWhole && !conversation.addsGenerationPrompt ? text : rendered(beginning),
            text.hasPrefix(end), prompt.count <= end.count
        else { return nil }
        guard isWhole else { return prompt.count..<end.count }
        // The last turn goes at least to the message's last word, else from the end of the prompt.
        let start = end.units.lastIndex { Origin($0) == .message(turn) }.map { $0 + 1 } ?? prompt.count
        let closing = closingLength(of: end.units[start...], after: end[0..<start], beginning)
        return prompt.count..<(end.count - closing)
    }

    /// How many scalars at the end of a text belong to no turn: what a template that pays no heed to
    /// `add_generation_prompt` prints after every conversation, such as the header of the next answer.
    ///
    /// - Parameters:
    ///   - rest: what follows the last word of the turn.
    ///   - word: what it follows, in the conversation's text.
    ///   - beginning: the conversation, which ends with the turn.
    private func closingLength(of rest: ArraySlice<UInt32>, after word: TaggedText, _ beginning: Conversation) -> Int {
        let history = beginning.before(beginning.messages.count - 1, addsGenerationPrompt: false)
        guard let unprompted = rendered(history), unprompted == rendered(history.withPrompt) else { return 0 }
        var longer = beginning
        longer.messages.append(Self.question(like: beginning.messages[beginning.messages.count - 1]))
        guard let text = rendered(longer), let place = text.lastIndex(of: word) else { return 0 }
        var end = turnEnd(after: text.units[(place + word.count)...], alone: rest)
        if let ending = renderer.specialTokens.first(where: { $0.name == "eos_token" }).map({ TaggedText($0.text) }),
            TaggedText(units: Array(rest.dropFirst(end))).hasPrefix(ending)
        {
            end += ending.count
        }
        return rest.count - end
    }

    /// Texts that no conversation holds and that have no character in common at their ends.
    private static let stranger = "Zq7vKw3xTr9w", other = "mX4bLd8fGh0p"

    /// The span that holds the message's own words: two renderings with other words in their place are alike before
    /// and after them, and so must the real one be. What follows up to the end of the turn is taken along.
    private func substitutionSpan(_ text: TaggedText, _ conversation: Conversation, _ turn: Int) -> Range<Int>? {
        func with(_ words: String, _ conversation: Conversation) -> TaggedText? {
            guard let message = Self.replacing(conversation.messages[turn], words) else { return nil }
            var copy = conversation
            copy.messages[turn] = message
            return rendered(copy)
        }
        let words = TaggedText(Self.stranger)
        guard text.firstIndex(of: words) == nil, let first = with(Self.stranger, conversation),
            let second = with(Self.other, conversation)
        else { return nil }
        let head = Self.commonPrefix(first.units[...], second.units[...])
        let tail = Self.commonSuffix(first, second)
        guard head + tail + words.count == first.count, first.count == second.count,
            first[head..<(head + words.count)] == words,
            second[head..<(head + words.count)] == TaggedText(Self.other),
            head + tail <= text.count, text.hasPrefix(first[0..<head]),
            text.hasSuffix(first[(first.count - tail)..<first.count])
        else { return nil }
        var start = head
        var beginning = conversation.before(turn + 1, addsGenerationPrompt: false)
        guard let alone = with(Self.stranger, beginning), let place = alone.firstIndex(of: words) else { return nil }
        let rest = alone.units[(place + words.count)...]
        var end = text.count - tail + turnEnd(after: text.units[(text.count - tail)...], alone: rest)
        if turn == conversation.messages.count - 1,
            let message = Self.replacing(conversation.messages[turn], Self.stranger)
        {
            beginning.messages[turn] = message
            end -= closingLength(of: rest, after: words, beginning)
        }
        // Everything that comes from the message must lie inside: its reasoning before, its tool calls after.
        guard turn < Origin.lastMessage else { return nil }
        let own = Origin.message(turn)
        if let firstOwn = text.units.firstIndex(where: { Origin($0) == own }), firstOwn < start {
            guard let prompt = rendered(conversation.before(turn, addsGenerationPrompt: true)), text.hasPrefix(prompt),
                prompt.count <= firstOwn
            else { return nil }
            start = prompt.count
        }
        guard text.units.lastIndex(where: { Origin($0) == own }) ?? 0 < max(end, 1) else { return nil }
        return start..<end
    }

    /// How much of what follows a message belongs to its turn: what also follows where the conversation ends there. Where
    /// the two part, the turn ends with a control token or a line.
    private func turnEnd(after rest: ArraySlice<UInt32>, alone: ArraySlice<UInt32>) -> Int {
        let common = Self.commonPrefix(rest, alone)
        guard common < alone.count, common < rest.count else { return common }
        let shared = TaggedText(units: Array(rest.prefix(common)))
        let isEnd: (Int) -> Bool = { count in
            shared.units[count - 1] & TaggedText.scalarMask == 0x0A
                || controlTokens.contains { shared[0..<count].hasSuffix($0) && !$0.isEmpty }
        }
        return stride(from: common, to: 0, by: -1).first(where: isEnd) ?? 0
    }

    /// A message of the user whose content has the form of another message's.
    private static func question(like message: JSONValue) -> JSONValue {
        let content = replacing(message, "A question.")?["content"] ?? .string("A question.")
        return .object(JSONObject([("role", .string("user")), ("content", content)]))
    }

    /// A message with other words; nil where its content is no single text.
    private static func replacing(_ message: JSONValue, _ words: String) -> JSONValue? {
        guard var object = message.object, let content = object["content"] else { return nil }
        if let text = content.string {
            guard !text.isEmpty else { return nil }
            object.set("content", .string(words))
            return .object(object)
        }
        guard var parts = content.array, parts.count == 1, var part = parts[0].object, part["text"]?.string != nil
        else { return nil }
        part.set("text", .string(words))
        parts[0] = .object(part)
        object.set("content", .array(parts))
        return .object(object)
    }

    private static func commonPrefix(_ left: ArraySlice<UInt32>, _ right: ArraySlice<UInt32>) -> Int {
        var count = 0
        for (own, foreign) in zip(left, right) {
            guard TaggedText.sameScalar(own, foreign) else { break }
            count += 1
        }
        return count
    }

    private static func commonSuffix(_ left: TaggedText, _ right: TaggedText) -> Int {
        commonPrefix(left.reversed().units[...], right.reversed().units[...])
    }
}
