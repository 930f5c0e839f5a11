import System
import TestSupport
import Testing

/// `--config` of `train` and `measure`: what a file gives, what wins over it, what is refused and how it is said.
@Suite("Configuration files", .enabled(if: QLoRACommand.isBuilt))
struct ConfigurationTests {
    /// A directory with rows and a configuration.
    private func workspace(_ configuration: String = "") -> TemporaryDirectory {
        let directory = TemporaryDirectory()
        directory.write("rows.jsonl", VerbTests.rows)
        directory.write("run.yaml", configuration)
        return directory
    }

    private func train(_ directory: TemporaryDirectory, _ arguments: [String]) -> CommandResult {
        runQLoRA(arguments: ["train", "--config", directory.file("run.yaml")] + arguments)
    }

    /// The required options, and few steps.
    private func required(_ directory: TemporaryDirectory, _ run: String = "run") -> [String] {
        [
            "--model", VerbTests.model, "--data", directory.file("rows.jsonl"), "-o", directory.file(run),
            "--max-steps", "2",
        ]
    }

    private func adapter(_ directory: TemporaryDirectory, _ run: String) throws -> [UInt8] {
        try FileReader.read(directory.file("\(run)/adapter_model.safetensors"))
    }

    private func options(_ directory: TemporaryDirectory, _ run: String = "run") throws -> JSONObject {
        try #require(try FileReader.readJSON(directory.file("\(run)/run.json"))["options"]?.object)
    }

    // MARK: - What a file gives

    @Test("A run whose options all stand in a file is the run of the same options on the command line")
    func wholeFile() throws {
        let directory = workspace()
        directory.write("more.jsonl", #"{"prompt_ids":[1],"input_ids":[3,4,5,6]}"# + "\n")
        directory.write(
            "run.yaml",
            """
            # Everything, in both spellings of keys.
            model: \(VerbTests.model)
            data:
              - \(directory.file("rows.jsonl"))
              - '\(directory.file("more.jsonl"))'
            output: "\(directory.file("file"))"
            max_steps: 4
            gradient-accumulation: 3
            learning_rate: 1e-3
            packing: no
            targets: [q_proj, v_proj]
            rslora: true
            raw: off
            exclude:
            seed: 18446744073709551615
            eval-split: 0
            threads: 1
            quiet: True
            """)
        let file = train(directory, [])
        #expect(file.status == 0, "\(file.standardError)")
        #expect(file.standardError.isEmpty)
        let line = runQLoRA(
            arguments: [
                "train", "--model", VerbTests.model, "--data", directory.file("rows.jsonl"), "--data",
                directory.file("more.jsonl"), "-o", directory.file("line"), "--max-steps", "4",
                "--gradient-accumulation", "3", "--learning-rate", "1e-3", "--no-packing", "--targets", "q_proj,v_proj",
                "--rslora", "--seed", "18446744073709551615", "--eval-split", "0",
            ])
        #expect(line.status == 0, "\(line.standardError)")
        #expect(try adapter(directory, "file") == adapter(directory, "line"))
        #expect(
            try JSONWriter.compact.string(.object(options(directory, "file")))
                == JSONWriter.compact.string(.object(options(directory, "line"))))
        // It goes on with the file as with the options, and says what changed.
        let longer = train(directory, ["--resume", "--max-steps", "6"])
        #expect(longer.status == 64)
        #expect(longer.standardError.contains("--max-steps was 4 and is 6"), "\(longer.standardError)")
        let resumed = train(directory, ["--resume"])
        #expect(resumed.status == 0, "\(resumed.standardError)")
        #expect(try adapter(directory, "file") == adapter(directory, "line"))
    }

    @Test("The command line wins: values, lists, flags, and options that replace others")
    func commandLineWins() throws {
        let directory = workspace(
            """
            data: [missing.jsonl, gone.jsonl]
            rank: 2
            packing: false
            rslora: true
            warmup-ratio: 0.5
            epochs: 7
            eval-data: [missing.jsonl]
            overwrite: true
            """)
        #expect(train(directory, required(directory) + ["--eval-split", "0.2"]).status == 0)
        let result = train(
            directory,
            required(directory) + [
                "--rank=4", "--packing", "--no-rslora", "--warmup-steps", "1", "--eval-split", "0.2", "--no-overwrite",
            ])
        #expect(result.status == 73, "\(result.standardError)")
        let replaced = train(
            directory,
            required(directory) + [
                "--rank=4", "--packing", "--no-rslora", "--warmup-steps", "1", "--eval-split", "0.2",
            ])
        #expect(replaced.status == 0, "\(replaced.standardError)")
        let options = try options(directory)
        #expect(options["rank"]?.integer == 4 && options["packing"]?.bool == true && options["rslora"]?.bool == false)
        #expect(options["warmup_steps"]?.integer == 1 && options["warmup_ratio"]?.isNull == true)
        #expect(options["epochs"]?.double == 1 && options["max_steps"]?.integer == 2)
        #expect(options["eval_data"]?.array?.isEmpty == true)
        let resumed = train(
            directory,
            required(directory) + [
                "--rank=4", "--packing", "--no-rslora", "--warmup-steps", "1", "--eval-split", "0.2", "--resume",
            ])
        #expect(resumed.status == 0, "\(resumed.standardError)")
    }

    @Test("Mappings stand for options that are pairs or JSON")
    func structures() throws {
        let directory = workspace(
            """
            columns: {input_ids: tokens, labels: marks}
            data-format: token-ids
            template-args: {enable_thinking: false, n: [1, x]}
            dry-run: true
            """)
        directory.write("rows.jsonl", #"{"tokens":[1,2,3,4],"marks":[1,2,3,4]}"# + "\n")
        let result = train(directory, required(directory) + ["--eval-split", "0"])
        #expect(result.status == 0, "\(result.standardError)")
        #expect(result.standardError.contains("rows: 1 to train on with 4 tokens"), "\(result.standardError)")
    }

    @Test("A run.json gives the options of its run: all there are, with the same result")
    func record() throws {
        let directory = workspace("dropout: 0.1\nbatch-size: 2\nseed: 5\neval-every: 1\neval-split: 0.2\nalpha: 3")
        #expect(train(directory, required(directory, "first")).status == 0)
        let again = runQLoRA(
            arguments: ["train", "--config", directory.file("first/run.json"), "--max-steps", "2"]
                + required(directory, "second"))
        #expect(again.status == 0, "\(again.standardError)")
        #expect(try adapter(directory, "first") == adapter(directory, "second"))
        let recorded = try options(directory, "first")
        #expect(
            try JSONWriter.compact.string(.object(recorded))
                == JSONWriter.compact.string(.object(options(directory, "second"))))
        // Every option but those about the invocation and the places of files.
        let help = runQLoRA(arguments: ["train", "--help"]).standardOutput
        let names = help.split(separator: "\n").filter { $0.hasPrefix("  -") }.compactMap { line in
            line.split(whereSeparator: { " ,/".contains($0) }).first { $0.hasPrefix("--") }.map {
                String($0.dropFirst(2))
            }
        }
        let others: Set<String> = [
            "model", "data", "output", "dry-run", "resume", "extend", "accept-changes", "overwrite", "config", "json",
            "quiet", "threads", "help",
        ]
        #expect(Set(names).isSuperset(of: others), "\(names)")
        #expect(
            Set(names).subtracting(others) == Set(recorded.keys.map { $0.replacing("_", with: "-") }))
    }

    @Test("The examples are what they say they are")
    func examples() throws {
        let examples = Fixtures.packageRoot() + "/tools/examples"
        let directory = workspace()
        func run(_ verb: String, _ more: [String]) -> CommandResult {
            runQLoRA(
                arguments: [
                    verb, "--config", "\(examples)/\(verb).yaml", "--model", VerbTests.model, "--data",
                    directory.file("rows.jsonl"), "-o", directory.file(verb), "--max-length", "16",
                ] + more)
        }
        for name in try FileSystem.list(examples) {
            let verb = String(name.prefix { $0 != "." })
            let result = run(verb, ["--max-steps", "2"])
            #expect(result.status == 0, "\(name): \(result.standardError)")
        }
        // Every default of train is the program's own, but for the two that the file names.
        let plain = runQLoRA(
            arguments: ["train", "--overlong", "truncate", "--max-length", "16"] + required(directory))
        #expect(plain.status == 0, "\(plain.standardError)")
        var example = try options(directory, "train"), defaults = try options(directory)
        #expect(example["warmup_ratio"]?.double == 0.03 && defaults["warmup_ratio"]?.isNull == true)
        example.remove("warmup_ratio")
        defaults.remove("warmup_ratio")
        #expect(
            JSONWriter.compact.string(.object(example)) == JSONWriter.compact.string(.object(defaults)))
    }

    // MARK: - What is refused

    private static let refusals: [(text: String, status: Int32, message: String)] = [
        (
            "rank: 2\nlearning-rat: 1", 64,
            ":2:1: field \"learning-rat\": train has no such option; the nearest is learning-rate."
        ),
        ("lora_alpha: 8", 64, "the nearest is alpha."), ("max_seq_length: 8", 64, "the nearest is max-length."),
        ("num_train_epochs: 1", 64, "the nearest is epochs."), ("rnak: 1", 64, "the nearest is rank."),
        ("formats: [nf4]", 64, "train has no such option"), ("no-packing: true", 64, "the nearest is packing."),
        ("config: other.yaml", 64, "train has no such option"), ("--rank: 1", 64, "the nearest is rank."),
        ("rank: many", 64, ":1:7: field \"rank\": The value 'many' is invalid for '--rank <r>'"),
        ("rank: 1.5", 64, "The value '1.5' is invalid for '--rank <r>'"),
        ("overlong: sometimes", 64, ":1:11: field \"overlong\": The value 'sometimes' is invalid"),
        ("threads: 0", 64, ":1:10: field \"threads\": --threads 0 is outside 1 to 1024"),
        ("raw: true\nchat-template: chatml", 64, "--raw and --chat-template exclude each other"),
        ("\nlearning-rate: -1", 64, ":2:16: field \"learning-rate\": --learning-rate is -1.0: 0 or more is expected"),
        ("packing: maybe", 64, ":1:10: field \"packing\": \"maybe\" is given where true or false is expected"),
        ("packing: 'true'", 64, "a text is given where true or false is expected"),
        ("packing: [true]", 64, "a list is given where true or false is expected"),
        ("rank: [1, 2]", 64, "a list is given where a value is expected"),
        ("rank: {a: 1}", 64, "a mapping is given where a value is expected"),
        ("eval-data: {a: 1}", 64, "a mapping is given where a value or a list of values is expected"),
        ("eval-data: [a, [b]]", 64, ":1:16: field \"eval-data\": a list is given"),
        ("targets: [a, ]\nexclude: [a, ~]", 64, ":2:14: field \"exclude\": nothing is given"),
        ("base-name: \"\"\nrank: 0", 64, "field \"rank\""),
        ("rank: 1\nrank: 2", 65, ":2:1: the key \"rank\" is in line 1 already"),
        ("max-steps: 1\nmax_steps: 2", 65, ":2:1: field \"max_steps\": the option is given twice"),
        ("a: &a [x]\nb: [*a, *a]", 65, ":1:4: anchors (&) and aliases (*) are not supported"),
        ("rank:\n\t8", 65, ":2:1: a tab indents the line"), ("rank: \u{1}", 65, ":1:7: the character U+1 is not text"),
        ("just text", 65, "where a mapping is expected"), ("- rank", 65, "the file holds a list where a mapping"),
        ("{", 65, ":1:2: the text ends inside brackets"),
        (String(repeating: "a: ", count: 3000), 65, "a second colon stands in the line"),
        (String(repeating: "[", count: 300_000), 65, "nested deeper than 16"),
        ("rank: 1 # " + String(repeating: "x", count: 1 << 20), 65, "more than the 1048576 accepted"),
    ]

    @Test("A file that is wrong is refused with its place, and nothing is made", arguments: refusals.indices)
    func refused(index: Int) throws {
        let (text, status, message) = Self.refusals[index]
        let directory = workspace(text)
        let result = train(directory, required(directory))
        #expect(result.status == status, "\(text.prefix(80)): \(result.standardError)")
        #expect(
            result.standardError.hasPrefix("qlora: error: \(directory.file("run.yaml"))"), "\(result.standardError)")
        #expect(result.standardError.contains(message), "\(result.standardError)")
        #expect(try FileSystem.list(directory.path) == ["rows.jsonl", "run.yaml"])
    }

    @Test("Files that are none, and uses that are none")
    func otherRefusals() throws {
        let directory = workspace("rank: 2")
        let required = required(directory)
        func status(_ arguments: [String]) -> (Int32, String) {
            let result = runQLoRA(arguments: ["train"] + arguments + required)
            return (result.status, result.standardError)
        }
        #expect(status(["--config", directory.file("none.yaml")]).0 == 66)
        #expect(status(["--config", directory.path]).0 == 65)
        #expect(status(["--config"]).0 == 64)
        #expect(status(["--config="]).0 == 64)
        let twice = status(["--config", directory.file("run.yaml"), "--config=\(directory.file("run.yaml"))"])
        #expect(twice.0 == 64 && twice.1.contains("--config is given twice"), "\(twice.1)")
        directory.write("run.yaml", [0x61, 0x3A, 0xFF])
        let encoding = status(["--config", directory.file("run.yaml")])
        #expect(encoding.0 == 65 && encoding.1.contains(":1:3: the text is not UTF-8"), "\(encoding.1)")
        // What the command line itself has wrong is said as ever; help needs no file.
        directory.write("run.yaml", "rank: 2")
        let wrong = status(["--config", directory.file("run.yaml"), "--alpha", "x"])
        #expect(wrong.0 == 64 && wrong.1.hasPrefix("Error: The value 'x' is invalid for '--alpha"), "\(wrong.1)")
        #expect(runQLoRA(arguments: ["train", "--config", "none.yaml", "--help"]).status == 0)
        // An empty file gives nothing.
        directory.write("run.yaml", "# nothing\n")
        #expect(status(["--config", directory.file("run.yaml")]).0 == 0)
    }

    @Test("measure takes its options from a file, too")
    func measure() throws {
        let directory = workspace(
            "formats: [none, nf4+dq]\nblock-sizes: 32\ndata: [\(TemporaryDirectory().path)]\nranks: [0]\nkeep-models: false"
        )
        let result = runQLoRA(
            arguments: [
                "measure", "--config", directory.file("run.yaml"), "--model", VerbTests.model, "--data",
                directory.file("rows.jsonl"), "-o", directory.file("study"), "--json", "--block-sizes", "64",
            ])
        #expect(result.status == 0, "\(result.standardError)")
        let rows = try JSONParser.parse(result.standardOutput)["rows"]?.array
        #expect(rows?.map { $0["format"]?.string } == ["none", "nf4+dq"])
        #expect(rows?.last?["block_size"]?.integer == 64)
        directory.write("run.yaml", "rank: 8")
        let wrong = runQLoRA(arguments: ["measure", "--config", directory.file("run.yaml")])
        #expect(wrong.status == 64)
        #expect(wrong.standardError.contains("measure has no such option; the nearest is ranks."))
    }
}
