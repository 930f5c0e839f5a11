import ChatTemplates
import System
import TestSupport
import Testing
import Tokenizers

/// Masks of small templates, each way by a template that needs it.
struct MaskTests {
    private let tokens = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|a|>", "<|u|>", "<|end|>"]

    private func builder(_ source: String) throws -> MaskBuilder {
        MaskBuilder(
            ChatRenderer(
                template: try ChatTemplate(source, name: "t.jinja"),
                specialTokens: [(name: "bos_token", text: "<s>"), (name: "eos_token", text: "</s>")], date: testDay),
            controlTokens: tokens)
    }

    private let chat = [
        message("user", "Q1"), message("assistant", "A1"), message("user", "Q2"), message("assistant", "A2"),
    ]

    /// The supervised texts of a conversation and the way they were found.
    private func masked(_ source: String, _ messages: [JSONValue], turns: [Int]? = nil) throws -> String {
        let wanted = turns ?? messages.indices.filter { messages[$0]["role"]?.string == "assistant" }
        let rows = try builder(source).rows(Conversation(messages: messages), turns: wanted)
        return rows.map { "\($0.way.rawValue) \($0.supervisedTexts)" }.joined(separator: "; ")
    }

    @Test func marksOfTheTemplateComeFirst() throws {
        let source =
            "{% for m in messages %}{{ '<|u|>' if m.role == 'user' else '<|a|>' }}{% if m.role == 'assistant' %}"
            + "{% generation %}{{ m.content }}</s>{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
        #expect(try masked(source, chat) == #"generation ["A1</s>", "A2</s>"]"#)
        #expect(try masked(source, chat, turns: [3]) == #"generation ["A2</s>"]"#)
        // Inside a macro and a set block the marks go where the text goes.
        let macro =
            "{% macro say(m) %}{% generation %}{{ m.content }}{% endgeneration %}{% endmacro %}"
            + "{% set x %}{% for m in messages %}{% if m.role == 'assistant' %}{{ say(m) }}{% else %}{{ m.content }} {% endif %}{% endfor %}{% endset %}{{ x | trim }}"
        #expect(try masked(macro, chat) == #"generation ["A1", "A2"]"#)
    }

    @Test func prefixesGiveTheTurnWithItsEnd() throws {
        let chatML =
            "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
        #expect(try masked(chatML, chat) == #"prefixes ["A1<|im_end|>\n", "A2<|im_end|>\n"]"#)
        #expect(
            try masked(chatML, [message("assistant", "A"), message("user", "Q")]) == #"prefixes ["A<|im_end|>\n"]"#)
        // A template without a generation prompt leaves the header to the model.
        let bare = "{% for m in messages %}{{ '<|' ~ m.role[0] ~ '|>' ~ m.content ~ '</s>' }}{% endfor %}"
        #expect(try masked(bare, Array(chat[..<2])) == #"prefixes ["<|a|>A1</s>"]"#)
    }

    /// What is printed after every conversation belongs to no answer.
    @Test func closingTextIsNoPartOfATurn() throws {
        let closing =
            "{% for m in messages %}{{ m.role | upper }}: {{ m.content }}{{ eos_token if m.role == 'assistant' }}\n\n{% endfor %}ASSISTANT: "
        #expect(try masked(closing, Array(chat[..<2])) == #"prefixes ["A1</s>\n\n"]"#)
        #expect(try masked(closing, chat) == #"substitution ["A1</s>\n\n", "A2</s>\n\n"]"#)
        let ending = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}{{ eos_token }}"
        #expect(try masked(ending, Array(chat[..<2])) == #"substitution ["A1\n</s>"]"#)
    }

    /// Reasoning is dropped from earlier answers, so that the text does not begin with that of its beginnings.
    @Test func substitutionFindsTurnsThatChange() throws {
        let thinking =
            "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' and loop.last %}"
            + "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{{ m.content | trim + '<|im_end|>\\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
        #expect(
            try masked(thinking, chat)
                == #"substitution ["A1<|im_end|>\n", "<think>\n\n</think>\n\nA2<|im_end|>\n"]"#)
        let padded = [message("user", "Q1"), message("assistant", "  A1 \n")] + chat[2...]
        #expect(try masked(thinking, padded).contains(#"["A1<|im_end|>\n""#))
        // Where turns part, the end is a control token or a line.
        let parting =
            "{% for m in messages %}{{ '<|' + m.role[0] + '|>' + m.content + '<|end|>' }}{% endfor %}"
            + "{{ '<|a|>' if add_generation_prompt else '<|endoftext|>' }}"
        #expect(try masked(parting, chat) == #"substitution ["A1<|end|>", "A2<|end|><|endoftext|>"]"#)
    }

    @Test func answersThatResistBecomeRowsOfTheirOwn() throws {
        let doubling =
            "{% for m in messages %}{{ '<|' + m.role[0] + '|>' }}{{ m.content if loop.last else (m.content ~ m.content) }}</s>{% endfor %}"
            + "{% if add_generation_prompt %}<|a|>{% endif %}"
        #expect(try masked(doubling, chat) == #"turns ["A1</s>"]; turns ["A2</s>"]"#)
        #expect(try masked(doubling, chat, turns: [3]) == #"substitution ["A2</s>"]"#)
        let reversing =
            "{{ messages | length }}" + doubling.replacing("m.content if loop.last", with: "m.content[::-1] if true")
        let failure = failure { _ = try masked(reversing, chat) }
        #expect(
            failure?.description
                == "t.jinja: no exact mask exists for what message 1 says. "
                + "Use a template with {% generation %}, or give --train-on all.")
    }

    /// Templates that show lists of parts only get lists; the words of a turn that no form shows are an error.
    @Test func templatesThatLeaveTextsOutGetParts() throws {
        let parts =
            "{{ messages | length }}:{% for m in messages %}{% for p in m.content | selectattr('type', 'equalto', 'text') %}"
            + "{{ m.role[0] ~ ':' ~ p.text ~ ';' }}{% endfor %}{% endfor %}END"
        let path = Fixtures.packageRoot() + "/Tests/TokenizersTests/Fixtures/qwen2.json"
        let tokenizer = try Tokenizer(contentsOf: FileReader.read(path), file: path)
        func encoder(_ source: String) throws -> ConversationEncoder {
            ConversationEncoder(
                ChatRenderer(template: try ChatTemplate(source, name: "t.jinja"), date: testDay), tokenizer)
        }
        let rows = try encoder(parts).rows(Conversation(messages: chat), trainOn: .assistant)
        #expect(rows.map(\.text) == ["4:u:Q1;a:A1;u:Q2;a:A2;END"])
        let supervised = zip(rows[0].ids, rows[0].isSupervised).filter(\.1).map(\.0)
        #expect(tokenizer.decode(supervised, skipSpecialTokens: false) == "A1A2")
        let failure = failure {
            _ = try encoder("{{ messages[0].content }}").rows(Conversation(messages: chat), trainOn: .last)
        }
        #expect(
            failure?.description == "t.jinja: the template leaves out what message 2 says, whose role is \"user\". "
                + "Use another template.")
    }

    /// A template passes over roles that it does not know; what is said under them must not be lost in silence.
    @Test func whatTemplatesPassOverIsNamed() throws {
        let path = Fixtures.packageRoot() + "/Tests/TokenizersTests/Fixtures/qwen2.json"
        let tokenizer = try Tokenizer(contentsOf: FileReader.read(path), file: path)
        let known =
            "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}{{ m.role[0] ~ m.content }};{% endif %}{% endfor %}"
        let encoder = ConversationEncoder(
            ChatRenderer(template: try ChatTemplate(known, name: "t.jinja"), date: testDay), tokenizer)
        func refusal(_ messages: [JSONValue], silent: Set<Int> = []) -> String? {
            failure {
                _ = try encoder.rows(Conversation(messages: messages), trainOn: .assistant, silentTurns: silent)
            }?.description
        }
        #expect(
            refusal([message("wizard", "W"), message("assistant", "A")])
                == "t.jinja: the template leaves out what message 0 says, whose role is \"wizard\". "
                + "Give it a role that the template knows, or use another template.")
        // Instructions and what tools answer may be left out, and so may what has no words.
        #expect(refusal([message("system", "S"), message("tool", "T")] + chat) == nil)
        #expect(refusal([message("wizard", " ")] + chat) == nil)
        #expect(refusal([])?.hasPrefix("there is no message.") == true)
        #expect(
            refusal([message("User", "Q"), message("Assistant", "A"), message("User", "Q")])?.hasPrefix(
                "no message has the role \"assistant\", which is learned from; the roles are \"User\", \"Assistant\".")
                == true)
        #expect(refusal(chat, silent: [1, 3])?.hasPrefix("no message of the assistant is to be learned from") == true)
    }

    @Test func toolCallsBelongToTheTurn() throws {
        let source =
            "{% for m in messages %}{{ '<|' + m.role[0] + '|>' + (m.content or '') }}"
            + "{% for c in m.tool_calls or [] %}{{ '<call>' ~ c.function | tojson ~ '</call>' }}{% endfor %}</s>{% endfor %}"
            + "{% if add_generation_prompt %}<|a|>{% endif %}"
        let call = JSONObject([
            ("role", .string("assistant")), ("content", .null),
            (
                "tool_calls",
                .array([.object(JSONObject([("function", .object(JSONObject([("name", .string("f"))])))]))])
            ),
        ])
        let messages = [message("user", "Q"), JSONValue.object(call), message("tool", "R"), message("assistant", "A")]
        #expect(
            try masked(source, messages)
                == #"prefixes ["<call>{\"name\": \"f\"}</call></s>", "A</s>"]"#)
    }

    @Test(arguments: BuiltInTemplates.names)
    func builtInTemplatesMarkWhatPrefixesFind(name: String) throws {
        let template = try #require(try BuiltInTemplates.named(name))
        #expect(template.marksGeneration)
        let messages = [message("system", "S")] + chat
        let marked = try masked(template.source, messages)
        #expect(marked.hasPrefix("generation ["), "\(marked)")
        let unmarked = template.source.replacing("{%- generation -%}", with: "").replacing(
            "{%- endgeneration -%}", with: "")
        let found = try masked(unmarked, messages)
        // What follows the end token up to the next turn is no part of the marks.
        let trimmed = found.replacing(#"</s>\n""#, with: #"</s>""#).replacing(#"</s>\n\n""#, with: #"</s>""#)
        #expect(
            trimmed.drop { $0 != "[" } == marked.drop { $0 != "[" }, "\(name): \(found) and \(marked)")
    }
}
