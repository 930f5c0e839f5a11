import Datasets
import System
import Testing

/// Every refusal of a row: file, line, column, field, value, and what to do.
struct BadRowTests {
    static let remove = "Remove the row, or give --bad-rows skip."

    static let cases: [(text: String, message: String)] = [
        ("{\"text\":\"a\"}\n{\"text\":", "rows.jsonl:2:9: JSON text ends where a value is expected."),
        ("{\"text\":\"é\" \"b\"}", "rows.jsonl:1:13: ',' or '}' is expected in an object, not '\"'."),
        ("{'text':'a'}", "rows.jsonl:1:2: a key in quotation marks is expected, not '''."),
        ("{\"text\":\"a\",\"text\":\"b\"}", "rows.jsonl:1:13: the key \"text\" appears twice in one object."),
        ("{\"text\":\"a\"} {\"text\":\"b\"}", "rows.jsonl:1:14: unexpected text after the JSON document."),
        ("\n\n  \"text\"", "rows.jsonl:3:3: the row is a string where an object is expected."),
        ("17", "rows.jsonl:1:1: the row is a number where an object is expected."),
        ("{\"text\":12}", "rows.jsonl:1:9: field \"text\": a number 12 was found where a string is expected."),
        ("{\"text\":\"\"}", "rows.jsonl:1:9: field \"text\": the text is empty. \(remove)"),
        (
            "{\"prompt\":\"a\",\"completion\":\"\"}",
            "rows.jsonl:1:28: field \"completion\": the completion is empty. \(remove)"
        ),
        (
            "{\"prompt\":[\"a\"],\"completion\":\"b\"}",
            "rows.jsonl:1:11: field \"prompt\": an array [\"a\"] was found where a string is expected."
        ),
        (
            "{\"question\":\"a\",\"answer\":\"b\"}",
            "rows.jsonl:1:1: the row fits no format; its keys are \"question\", \"answer\". "
                + "Say which columns hold the text, e.g. --columns prompt=question,completion=answer."
        ),
        (
            "{\"content\":\"a\",\"id\":3}",
            "rows.jsonl:1:1: the row fits no format; its keys are \"content\", \"id\". "
                + "Say which column holds the text: --columns text=content."
        ),
        (
            "{\"tokens\":[1,2]}",
            "rows.jsonl:1:1: the row fits no format; its keys are \"tokens\". "
                + "Say which column holds the token ids: --columns input_ids=tokens."
        ),
        (
            "{}",
            "rows.jsonl:1:1: the row fits no format; its keys are none. The formats are text (text), "
                + "messages (messages), sharegpt (conversations), alpaca (instruction, output), "
                + "prompt-completion (prompt, completion), token-ids (input_ids)."
        ),
        (
            "{\"input_ids\":[1,2,256]}",
            "rows.jsonl:1:19: field \"input_ids[2]\": the id 256 is outside the vocabulary of 256. "
                + "Tokenize the data with the model's own tokenizer."
        ),
        (
            "{\"a\":{\"input_ids\":[9]},\"input_ids\":[-1,2]}",
            "rows.jsonl:1:37: field \"input_ids[0]\": the id -1 is outside the vocabulary of 256. "
                + "Tokenize the data with the model's own tokenizer."
        ),
        (
            "{\"input_ids\":[1,2.0]}",
            "rows.jsonl:1:17: field \"input_ids[1]\": a number 2.0 was found where an integer is expected."
        ),
        (
            "{\"input_ids\":[1,99999999999]}",
            "rows.jsonl:1:17: field \"input_ids[1]\": a number 99999999999 was found where an integer is expected."
        ),
        (
            "{\"input_ids\":\"1 2\"}",
            "rows.jsonl:1:14: field \"input_ids\": a string \"1 2\" was found where an array of integers is expected."
        ),
        ("{\"input_ids\":[1,2],\"labels\":[1]}", "rows.jsonl:1:29: field \"labels\": there are 1 labels for 2 ids."),
        (
            "{\"input_ids\":[1,2],\"labels\":[1,-1]}",
            "rows.jsonl:1:32: field \"labels[1]\": the label -1 is neither -100 nor inside the vocabulary of 256."
        ),
        (
            "{\"input_ids\":[1,2],\"attention_mask\":[1]}",
            "rows.jsonl:1:37: field \"attention_mask\": the mask has 1 elements for 2 ids."
        ),
        (
            "{\"input_ids\":[1,0],\"attention_mask\":[1,0]}",
            "rows.jsonl:1:40: field \"attention_mask[1]\": the mask holds 0 where rows without padding have 1. "
                + "Remove the padding tokens; rows are padded by nobody here."
        ),
        ("{\"input_ids\":[7]}", "rows.jsonl:1:1: the row has fewer than two tokens: nothing to predict. \(remove)"),
        ("{\"input_ids\":[]}", "rows.jsonl:1:1: the row has fewer than two tokens: nothing to predict. \(remove)"),
        (
            "{\"input_ids\":[7,8],\"labels\":[7,-100]}",
            "rows.jsonl:1:1: no token of the row is supervised: every label after the first is -100. \(remove)"
        ),
        ("", "rows.jsonl: the file holds no rows. Check the path."),
        ("\n \r\n", "rows.jsonl: the file holds no rows. Check the path."),
        ("[]", "rows.jsonl: the file holds no rows. Check the path."),
        ("[{\"text\":\"a\"}", "rows.jsonl:1:14: the file ends inside a JSON array."),
        ("[{\"text\":\"a\"} {\"text\":\"b\"}]", "rows.jsonl:1:15: unexpected text after the JSON document."),
        (
            "[{\"text\":\"a\"},\n {\"text\":3}]",
            "rows.jsonl:2:10: field \"text\": a number 3 was found where a string is expected."
        ),
        ("[{\"text\":\"a\"}] x", "rows.jsonl:1:16: unexpected text after the JSON array."),
        ("[{\"text\":\"a\"},]", "rows.jsonl:1:15: JSON text ends where a value is expected."),
        (
            "PAR1....",
            "rows.jsonl: the file is a Parquet table, which is not supported as data. Convert it to JSON lines."
        ),
    ]

    @Test(arguments: cases.indices) func messages(_ index: Int) throws {
        #expect(try refusal(of: Self.cases[index].text) == Self.cases[index].message)
    }

    @Test func bytesThatAreNoUTF8() throws {
        let folder = try DataFolder()
        let file = try folder.write(Array("{\"text\":\"".utf8) + [0xFF] + Array("\"}".utf8))
        let failure = #expect(throws: Failure.self) {
            try Dataset.load(files: [file], options: DatasetOptions(), encoder: .test)
        }
        #expect(failure?.description == "\(file):1:10: a string is not valid UTF-8: byte 0xFF.")
    }

    @Test func filesThatAreMissingOrNoFiles() throws {
        let folder = try DataFolder()
        let missing = #expect(throws: Failure.self) {
            try Dataset.load(files: [folder.path + "/none.jsonl"], options: DatasetOptions(), encoder: .test)
        }
        #expect(missing?.kind == .inputMissing)
        let directory = #expect(throws: Failure.self) {
            try Dataset.load(files: [folder.path], options: DatasetOptions(), encoder: .test)
        }
        #expect(directory?.kind == .badData)
        let nothing = #expect(throws: Failure.self) {
            try Dataset.load(files: [], options: DatasetOptions(), encoder: .test)
        }
        #expect(nothing?.description == "no data file was given. Give --data FILE.")
    }

    @Test func badRowsAreSkippedAndCounted() throws {
        let data = try load("{\"text\":\"abc\"}\nnot json\n{\"text\":7}\n{\"input_ids\":[1,999]}\n{\"text\":\"def\"}\n")
        {
            $0.badRows = .skip
        }
        #expect(data.rows.map(\.sourceLine) == [1, 5])
        #expect(data.summary.skippedCount == 3)
        #expect(data.summary.skipped.map { $0.place.line } == [2, 3, 4])
    }

    @Test func nothingIsLeft() throws {
        #expect(
            try refusal(of: "{\"text\":7}\n{\"text\":\"\"}\n") { $0.badRows = .skip }
                == "rows.jsonl: none of the file's 2 rows is left: 2 could not be read, 0 are longer than the maximum "
                + "length; the first: rows.jsonl:1:9: field \"text\": a number 7 was found where a string is expected."
        )
    }

    @Test func aRowBeyondTheByteLimit() throws {
        for text in [
            "{\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "[{\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]",
        ] {
            let message = try refusal(of: text) { $0.limits.rowByteCount = 32 }
            #expect(message.contains("the row has more than the 32 bytes accepted. "), "\(message)")
        }
    }

    @Test func aTokenizerOfAnotherModel() throws {
        let encoder = RowEncoder(tokenizer: ThreeByteTokenizer(), endToken: 2, vocabularySize: 100)
        #expect(
            try refusal(of: #"{"text":"abcz"}"#, encoder: encoder)
                == "rows.jsonl:1:1: the tokenizer gives the id 122, outside the model's vocabulary of 100. "
                + "Use the tokenizer that belongs to the model.")
    }
}
