import Datasets
import System
import Testing

/// Writes each message as role initial, colon, content, semicolon; a byte is a token, the assistant's content supervised.
/// A conversation that begins with the system is cut into a row for each answer.
private struct PlainChat: ChatRowEncoder {
    func encodeChat(_ chat: ChatRow) throws(Failure) -> [EncodedChatRow] {
        var row = EncodedChatRow(ids: [], spans: [], isSupervised: [], isTemplate: [], way: "prefixes")
        func add(_ text: String, supervised: Bool, template: Bool) {
            for byte in text.utf8 {
                row.spans.append(row.ids.count..<row.ids.count + 1)
                row.ids.append(Int32(byte))
                row.isSupervised.append(supervised)
                row.isTemplate.append(template)
            }
        }
        if let tools = chat.tools { add(JSONWriter.compact.string(tools), supervised: false, template: false) }
        for (index, message) in chat.messages.enumerated() {
            let role = message["role"]?.string ?? "", isOwn = role == "assistant" && !chat.silentTurns.contains(index)
            add("\(role.prefix(1)):", supervised: false, template: true)
            let calls = message["tool_calls"].map { JSONWriter.compact.string($0) } ?? ""
            guard let content = message["content"]?.string else {
                throw Failure(.badData, "no content", at: .init(file: "t.jinja", line: 1, column: 5))
            }
            add(content + calls, supervised: isOwn, template: false)
            add(";", supervised: isOwn, template: true)
        }
        guard chat.messages.first?["role"]?.string == "system" else { return [row] }
        row.way = "turns"
        return [row, row]
    }
}

struct ChatRowTests {
    private let encoder = RowEncoder(
        tokenizer: ThreeByteTokenizer(), chat: PlainChat(), endToken: 2, vocabularySize: 256)

    private func text(_ ids: some Sequence<Int32>) -> String {
        String(decoding: ids.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    private func texts(_ data: Dataset) -> [String] {
        data.rows.map { row in
            text(row.ids) + " | " + text(zip(row.ids, row.labels).filter { $0.1 != -100 }.map(\.0))
        }
    }

    @Test func everyFormatBecomesAConversation() throws {
        let data = try load(
            #"""
            {"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yo"}]}
            {"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","value":"b"}]},{"role":"assistant","content":"c","weight":0},{"role":"assistant","content":"d","loss_weight":1.0}],"tools":"[1]"}
            {"conversations":[{"from":"human","value":"hi"},{"from":"gpt","value":"yo"}]}
            {"conversations":[{"from":"user","value":"q"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{}}"},{"from":"observation","value":"r"},{"role":"assistant","content":"z"}],"tools":""}
            {"instruction":"do","input":"this","output":"done"}
            {"instruction":"do","input":"","output":"done","history":[["a","b"]]}
            {"prompt":"p","completion":"c"}
            {"text":"abc"}
            """#, encoder: encoder)
        #expect(
            texts(data) == [
                "u:hi;a:yo; | yo;", "[1]u:ab;a:c;a:d; | d;", "u:hi;a:yo; | yo;",
                #"u:q;a:[{"type":"function","function":{"name":"f","arguments":{}}}];t:r;a:z; | [{"type":"function","function":{"name":"f","arguments":{}}}];z;"#,
                "u:do\n\nthis;a:done; | done;", "u:a;a:b;u:do;a:done; | b;done;", "u:p;a:c; | c;",
                "\u{1}a\u{2} | \u{1}a\u{2}",
            ])
        #expect(data.summary.maskCounts == ["prefixes": 7])
        #expect(
            data.summary.formatCounts == [
                "messages": 2, "sharegpt": 2, "alpaca": 2, "prompt-completion": 1, "text": 1,
            ])
        #expect(data.rows[0].textByteCount == 3)
        #expect(data.rows[0].isTemplate == [true, true, false, false, true, true, true, false, false, true])
    }

    @Test func aConversationMayBecomeSeveralRows() throws {
        let text = #"{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}],"system":"s"}"#
        let data = try load(text, encoder: encoder)
        #expect(texts(data) == ["s:s;u:q;a:a; | a;", "s:s;u:q;a:a; | a;"])
        #expect(data.rows.map(\.sourceLine) == [1, 1])
        #expect(data.summary.maskCounts == ["turns": 1] && data.summary.rowCount == 2)
    }

    @Test func columnsAreMapped() throws {
        let data = try load(
            #"{"dialog":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#, encoder: encoder
        ) { $0.columns = try ColumnMapping(option: "messages=dialog") }
        #expect(texts(data) == ["u:a;a:b; | b;"])
    }

    @Test func withoutATemplateAlpacaIsJoined() throws {
        let data = try load(#"{"instruction":"abc","input":"d","output":"ef"}"#)
        #expect(data.rows[0].ids == [1, 97, 10, 101, 2] && data.rows[0].labels == [-100, -100, -100, 101, 2])
    }

    @Test(arguments: [
        (
            #"{"messages":[{"role":"user","content":"a"}]}"#,
            "rows.jsonl:1:1: no token of the row is supervised: every label after the first is -100. "
                + "Remove the row, or give --bad-rows skip."
        ),
        (
            #"{"messages":"a"}"#,
            "rows.jsonl:1:13: field \"messages\": a string \"a\" was found where an array is expected."
        ),
        (
            #"{"messages":["a"]}"#,
            "rows.jsonl:1:14: field \"messages[0]\": a string \"a\" was found where a message is expected."
        ),
        (
            #"{"messages":[{"content":"a"}]}"#,
            "rows.jsonl:1:14: field \"messages[0]\": the message has no role; its keys are \"content\"."
        ),
        (
            #"{"messages":[{"role":"user","name":"n"}]}"#,
            "rows.jsonl:1:14: field \"messages[0]\": the message has no content. Remove the row, or give --bad-rows skip."
        ),
        (
            #"{"messages":[{"role":"assistant","content":[]}]}"#,
            "rows.jsonl:1:14: field \"messages[0]\": the message has no content. Remove the row, or give --bad-rows skip."
        ),
        (
            #"{"messages":[{"role":"user","content":{"text":"a"}}]}"#,
            "rows.jsonl:1:14: field \"messages[0]\": the content is an object {\"text\":\"a\"} where text is expected. "
                + "Remove the row, or give --bad-rows skip."
        ),
        (
            #"{"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"image","url":"u"}]}]}"#,
            "rows.jsonl:1:44: field \"messages[1]\": the content has a part of type \"image\", and only text is read. "
                + "Remove the row, or give --bad-rows skip."
        ),
        (
            #"{"messages":[{"role":"user","content":["a"]}]}"#,
            "rows.jsonl:1:14: field \"messages[0]\": the content has a string \"a\" where a part with text is expected. "
                + "Remove the row, or give --bad-rows skip."
        ),
        (
            #"{"messages":[{"role":"assistant","tool_calls":[]}]}"#,
            "rows.jsonl:1:13: field \"messages\": the conversation cannot be used: t.jinja:1:5: no content."
        ),
        (
            #"[{"role":"user","content":"a"}]"#,
            "rows.jsonl:1:2: the row fits no format; its keys are \"role\", \"content\". It is a message: put the "
                + "messages of a conversation in one row, as {\"messages\": [...]}."
        ),
        (
            #"{"instruction":"a","input":"b"}"#,
            "rows.jsonl:1:1: the row fits no format; its keys are \"instruction\", \"input\". "
                + "A row of the format alpaca needs \"output\", too."
        ),
        (
            #"{"prompt":"a","answer":"b"}"#,
            "rows.jsonl:1:1: the row fits no format; its keys are \"prompt\", \"answer\". "
                + "Say which column holds the completion: --columns completion=answer."
        ),
        (
            #"{"messages":[{"role":"user","content":"a"}],"tools":{}}"#,
            "rows.jsonl:1:53: field \"tools\": an object {} was found where an array of tools is expected."
        ),
        (
            #"{"messages":[{"role":"user","content":"a"}],"tools":"[1"}"#,
            "rows.jsonl:1:53: field \"tools\": the text is no JSON: JSON text ends inside an array."
        ),
        (
            #"{"conversations":[{"from":"alien","value":"a"}]}"#,
            "rows.jsonl:1:19: field \"conversations[0]\": the speaker \"alien\" is none of \"assistant\", \"bard\", "
                + "\"bing\", \"chatgpt\", \"function_call\", \"function_response\", \"gpt\", \"human\", \"model\", "
                + "\"observation\", \"system\", \"tool\" and 1 more."
        ),
        (
            #"{"conversations":[{"from":"gpt"}]}"#,
            "rows.jsonl:1:19: field \"conversations[0]\": the turn of \"gpt\" has no text in \"value\"."
        ),
        (
            #"{"conversations":[{"from":"function_call","value":"f()"}]}"#,
            "rows.jsonl:1:19: field \"conversations[0]\": the function call is no JSON: "
                + "JSON text ends inside a literal."
        ),
        (
            #"{"instruction":"a","output":"b","history":[["a"]]}"#,
            "rows.jsonl:1:44: field \"history[0]\": an array [\"a\"] was found where a pair of question and answer is "
                + "expected."
        ),
        (
            #"{"dialog":[{"from":"human","value":"a"}]}"#,
            "rows.jsonl:1:1: the row fits no format; its keys are \"dialog\". "
                + "Say which column holds the conversation: --columns conversations=dialog."
        ),
    ])
    func badRowsAreNamed(row: String, message: String) throws {
        #expect(try refusal(of: row, encoder: encoder) == message)
    }

    @Test func conversationsNeedATemplate() throws {
        #expect(
            try refusal(of: #"{"messages":[{"role":"user","content":"a"}]}"#)
                == "rows.jsonl:1:13: field \"messages\": the row is a conversation, and there is no chat template. "
                + "Name one, such as --chat-template chatml.")
    }
}
