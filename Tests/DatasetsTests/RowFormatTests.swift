import Datasets
import System
import Testing

struct RowFormatTests {
    @Test func registryNamesAreUnique() throws {
        #expect(Set(RowFormats.names).count == RowFormats.names.count)
        for name in RowFormats.names { #expect(try RowFormats.named(name).name == name) }
        let failure = #expect(throws: Failure.self) { try RowFormats.named("txt") }
        #expect(
            failure?.description
                == "there is no data format \"txt\". Give one of \(RowFormats.names.joined(separator: ", ")).")
    }

    @Test func textIsSupervisedWholeAndEnds() throws {
        let data = try load(#"{"text":"abcdefgh"}"#)
        #expect(data.rows.count == 1)
        #expect(data.rows[0].ids == [1, 97, 100, 103, 2])
        #expect(data.rows[0].labels == data.rows[0].ids)
        #expect(data.rows[0].textByteCount == 8)
        #expect(data.rows[0].supervisedTokenCount == 4)
    }

    @Test func anEndTokenThatIsThereIsNotAppended() throws {
        let data = try load(#"{"text":"abc\u0002"}"#)
        #expect(data.rows[0].ids == [1, 97, 2])
        let without = RowEncoder(tokenizer: ThreeByteTokenizer(), endToken: nil, vocabularySize: 256)
        #expect(try load(#"{"text":"abc"}"#, encoder: without).rows[0].ids == [1, 97])
    }

    /// The boundary inside a token: that token holds a byte of the completion, so it is supervised.
    @Test(
        arguments: [
            ("abc", "def", [-100, -100, 100, 2]),
            ("abcd", "ef", [-100, -100, 100, 2]),
            ("abcde", "f", [-100, -100, 100, 2]),
            ("", "abcdef", [-100, 97, 100, 2]),
            ("abcdef", "g", [-100, -100, -100, 103, 2]),
            ("é", "éé", [-100, 195, 169, 2]),
        ] as [(String, String, [Int32])])
    func theFirstTokenWithACompletionByteIsTheFirstSupervised(prompt: String, completion: String, labels: [Int32])
        throws
    {
        let data = try load("{\"prompt\":\"\(prompt)\",\"completion\":\"\(completion)\"}")
        #expect(data.rows[0].labels == labels)
        #expect(data.rows[0].ids.last == 2)
        #expect(data.rows[0].textByteCount == completion.utf8.count)
    }

    @Test func tokenIdsAreTakenAsTheyAre() throws {
        let data = try load(
            """
            {"input_ids":[5,6,7]}
            {"input_ids":[5,6,7],"labels":[-100,-100,9],"attention_mask":[1,1,1]}
            {"input_ids":[0,255],"labels":null}
            """)
        #expect(data.rows.map(\.ids) == [[5, 6, 7], [5, 6, 7], [0, 255]])
        #expect(data.rows.map(\.labels) == [[5, 6, 7], [-100, -100, 9], [0, 255]])
        #expect(data.rows.map(\.sourceLine) == [1, 2, 3])
        #expect(data.rows.allSatisfy { $0.textByteCount == nil })
        #expect(data.summary.tokenCount == 8)
        #expect(data.summary.supervisedTokenCount == 4)
        #expect(data.summary.longestRow == 3)
    }

    @Test func columnsAreMapped() throws {
        let text = #"{"question":"abc","answer":"def","text":"unused"}"#
        let data = try load(text) { $0.columns = try ColumnMapping(option: "prompt=question,completion=answer") }
        #expect(data.rows[0].labels == [-100, -100, 100, 2])
        let named = try load(text) {
            $0.columns = try ColumnMapping(option: "text=question")
            $0.format = try RowFormats.named("text")
        }
        #expect(named.rows[0].ids == [1, 97, 2])
    }

    @Test(arguments: [
        (
            "prompt",
            "--columns holds \"prompt\" where field=column is expected. "
                + "Write it as in --columns prompt=question,completion=answer."
        ),
        (
            "prompt=a,",
            "--columns holds \"\" where field=column is expected. "
                + "Write it as in --columns prompt=question,completion=answer."
        ),
        (
            "promt=a",
            "--columns maps the field \"promt\", which no row format has. "
                + "The fields are text, messages, tools, conversations, system, instruction, output, input, history, "
                + "prompt, completion, input_ids, labels, attention_mask."
        ),
        ("prompt=a,prompt=b", "--columns maps the field \"prompt\" twice. Keep one of the two."),
    ])
    func columnsThatAreRefused(option: String, message: String) {
        let failure = #expect(throws: Failure.self) { try ColumnMapping(option: option) }
        #expect(failure?.description == message)
        #expect(failure?.kind == .usage)
    }

    @Test func aFormatThatIsNamedIsUsedWhereSeveralFit() throws {
        let text = #"{"text":"abc","input_ids":[3,4]}"#
        #expect(
            try refusal(of: text)
                == "rows.jsonl:1:1: the row fits the formats text and token-ids; its keys are \"text\", \"input_ids\". "
                + "Name the one that is meant: --data-format text.")
        #expect(try load(text) { $0.format = try RowFormats.named("token-ids") }.rows[0].ids == [3, 4])
    }

    @Test func rowsWithoutATokenizer() throws {
        let encoder = RowEncoder(tokenizer: nil, endToken: nil, vocabularySize: 10)
        #expect(try load(#"{"input_ids":[3,4]}"#, encoder: encoder).rows.count == 1)
        #expect(
            try refusal(of: #"{"text":"abc"}"#, encoder: encoder)
                == "rows.jsonl:1:1: the row holds text, and the model has no tokenizer. "
                + "Give rows of input_ids, or a tokenizer.")
    }
}
