import System
import TestSupport
import Testing

/// `train`, `evaluate` and `generate` from outside: exit statuses, messages, files.
@Suite("Verbs on a small model", .enabled(if: QLoRACommand.isBuilt))
struct VerbTests {
    static let model = "\(Fixtures.modelsDirectory)/llama-v5-biases"

    /// Rows of token ids that the fixture models have.
    static let rows =
        (0..<12).map { row in
            #"{"input_ids":[\#((0..<(6 + row)).map { String(($0 * 7 + row) % 30) }.joined(separator: ","))]}"#
        }.joined(separator: "\n") + "\n"

    /// A directory with a file of rows in it.
    private func workspace(_ data: String = rows) throws -> TemporaryDirectory {
        let directory = TemporaryDirectory()
        try AtomicFile.write(data, to: directory.path + "/rows.jsonl")
        return directory
    }

    private func train(_ directory: TemporaryDirectory, _ arguments: [String], model: String = model) -> CommandResult {
        runQLoRA(
            arguments: [
                "train", "--model", model, "--data", directory.path + "/rows.jsonl", "-o", directory.path + "/run",
                "--max-steps", "3", "--eval-split", "0.2",
            ] + arguments)
    }

    @Test("A run leaves an adapter, one line a step and a record, and evaluate and inspect take it")
    func wholeRun() throws {
        let directory = try workspace()
        let result = train(directory, ["--json", "--rank", "4", "--batch-size", "2", "--gradient-accumulation", "2"])
        #expect(result.status == 0, "\(result.standardError)")
        let record = try JSONParser.parse(result.standardOutput)
        #expect(record["result"]?["steps"]?.integer == 3)
        #expect(record["result"]?["status"]?.string == "finished")
        let metrics = try FileReader.readText(directory.path + "/run/metrics.jsonl").split(separator: "\n")
        let kinds = try metrics.map { try JSONParser.parse(String($0)) }
        #expect(kinds.compactMap { $0["step"]?.integer } == [1, 2, 3, 3])
        #expect(kinds.map { $0["kind"]?.string } == ["step", "step", "step", "eval"])
        #expect(kinds[0]["supervised_tokens"]?.integer ?? 0 > 0)
        let evaluation = runQLoRA(
            arguments: [
                "evaluate", "--model", Self.model, "--adapter", directory.path + "/run", "--data",
                directory.path + "/rows.jsonl", "--per-token", directory.path + "/tokens.jsonl", "--json",
            ])
        #expect(evaluation.status == 0, "\(evaluation.standardError)")
        let summary = try JSONParser.parse(evaluation.standardOutput)
        #expect(summary["rows"]?.integer == 12)
        #expect(summary["bits_per_byte"]?.isNull == true)
        // The mean of the per-token file is the loss that was printed.
        var sum = 0.0, count = 0
        for line in try FileReader.readText(directory.path + "/tokens.jsonl").split(separator: "\n") {
            let row = try JSONParser.parse(String(line))
            #expect(row["logprobs"]?.array?.first?.isNull == true)
            #expect(row["logprobs"]?.array?.count == row["ids"]?.array?.count)
            for value in row["logprobs"]?.array ?? [] {
                if let value = value.double {
                    sum -= value
                    count += 1
                }
            }
        }
        #expect(count == summary["tokens"]?.integer)
        #expect(abs(sum / Double(count) - (summary["loss"]?.double ?? .nan)) < 1e-9)
    }

    @Test("Threads, cuts, recomputation and packing give the same files to the byte")
    func sameBytes() throws {
        var seen: [[UInt8]] = []
        for arguments in [
            ["--threads", "1", "--batch-size", "1", "--gradient-accumulation", "8", "--recompute", "none"],
            ["--threads", "3", "--batch-size", "8", "--gradient-accumulation", "1", "--recompute", "all"],
            ["--threads", "2", "--batch-size", "2", "--gradient-accumulation", "4", "--no-packing"],
        ] {
            let directory = try workspace()
            #expect(train(directory, arguments + ["--dropout", "0.1", "--rank", "4"]).status == 0)
            seen.append(try FileReader.read(directory.path + "/run/adapter_model.safetensors"))
        }
        #expect(seen[0] == seen[1])
        #expect(seen[0] == seen[2])
    }

    @Test("A directory that holds a run is refused, kept, and replaced only when told")
    func outputDirectory() throws {
        let directory = try workspace()
        #expect(train(directory, []).status == 0)
        let adapter = try FileReader.read(directory.path + "/run/adapter_model.safetensors")
        let refused = train(directory, ["--seed", "7"])
        #expect(refused.status == 73)
        #expect(refused.standardError.contains("the output directory is not empty"))
        #expect(refused.standardError.contains("--overwrite"))
        #expect(try FileReader.read(directory.path + "/run/adapter_model.safetensors") == adapter)
        #expect(train(directory, ["--seed", "7", "--overwrite"]).status == 0)
        #expect(try FileReader.read(directory.path + "/run/adapter_model.safetensors") != adapter)
        try AtomicFile.write("mine", to: directory.path + "/run/notes.txt")
        let foreign = train(directory, ["--overwrite"])
        #expect(foreign.status == 73)
        #expect(foreign.standardError.contains("\"notes.txt\", which train did not make"))
        #expect(try FileReader.readText(directory.path + "/run/notes.txt") == "mine")
    }

    @Test("A dry run says what it would do and makes nothing")
    func dryRun() throws {
        let directory = try workspace()
        let result = train(directory, ["--dry-run", "--json"])
        #expect(result.status == 0)
        let plan = try JSONParser.parse(result.standardOutput)
        #expect(plan["steps"]?.integer == 3)
        #expect(plan["predicted_anonymous_bytes"]?.integer ?? 0 > 0)
        #expect(FileSystem.status(directory.path + "/run") == nil)
    }

    /// Options that cannot be right, what the message must say, and the exit status.
    static let wrongOptions: [(arguments: [String], message: String, status: Int32)] = [
        (["--rank", "0"], "the rank is 0", 64),
        (["--alpha", "nan"], "alpha", 64),
        (["--dropout", "1"], "--dropout is 1.0: a number from 0 to below 1", 64),
        (["--learning-rate=-1"], "--learning-rate is -1.0: 0 or more", 64),
        (["--batch-size", "0"], "--batch-size is 0", 64),
        (["--gradient-accumulation", "0"], "--gradient-accumulation is 0", 64),
        (["--schedule", "spiral"], "there is no schedule \"spiral\"", 64),
        (["--optimizer", "magic"], "there is no optimizer \"magic\"", 64),
        (["--beta1", "1"], "--beta1 is 1.0", 64),
        (["--warmup-steps", "2", "--warmup-ratio", "0.1"], "--warmup-steps and --warmup-ratio are both given", 64),
        (["--targets", "nothing_proj"], "the model has no linear \"nothing_proj\"", 64),
        (["--targets", "/(/"], "--targets", 64),
        (["--layers", "first:2"], "--layers is \"first:2\"", 64),
        (["--max-length", "1"], "--max-length is 1: 2 or more", 64),
        (["--max-length", "8"], "more than the maximum length of 8", 65),
        (["--data-format", "poem"], "there is no data format \"poem\"", 64),
        (["--epochs", "0"], "--epochs is 0.0", 64),
        (["--eval-split", "1"], "share", 64),
        (["--recompute", "some"], "recompute", 64),
        (["--no-such-option"], "no-such-option", 64),
        (["--init-adapter", "/nonexistent"], "/nonexistent", 66),
        (["--eval-data", "/nonexistent.jsonl"], "/nonexistent.jsonl", 66),
    ]

    @Test("Options that cannot be right are refused by name, and nothing is made", arguments: wrongOptions.indices)
    func refusedOptions(index: Int) throws {
        let (arguments, message, status) = Self.wrongOptions[index]
        let directory = try workspace()
        let result = train(directory, arguments)
        #expect(result.status == status, "\(result.standardError)")
        #expect(result.standardError.contains(message), "\(result.standardError)")
        #expect(FileSystem.status(directory.path + "/run") == nil)
    }

    /// Data that cannot be read, what the message must say.
    static let wrongData: [(data: String, message: String)] = [
        ("", "the file holds no rows"),
        ("{\"input_ids\":[1,2,3]}\n{\"input_ids\":[1,2,999]}\n", "rows.jsonl:2"),
        ("{\"input_ids\":[1,2,-3]}\n", "-3"),
        ("{\"input_ids\":[1,2.5]}\n", "rows.jsonl:1"),
        ("{\"input_ids\":[1]}\n", "nothing to predict"),
        ("{\"input_ids\":[1,2],\"labels\":[1]}\n", "labels"),
        ("{\"input_ids\":[1,2],\"labels\":[-100,-100]}\n", "supervised"),
        ("{\"question\":\"a\",\"reply\":\"b\"}\n", "question"),
        ("{\"text\":\"words\"}\n", "the model has no tokenizer"),
        ("{\"input_ids\":[1,2}\n", "rows.jsonl:1:18"),
    ]

    @Test("Rows that cannot be read are named by file, line and field", arguments: wrongData.indices)
    func refusedData(index: Int) throws {
        let (data, message) = Self.wrongData[index]
        let result = train(try workspace(data), [])
        #expect(result.status == 65, "\(result.standardError)")
        #expect(result.standardError.contains(message), "\(result.standardError)")
    }

    @Test("An adapter of another base is refused by name")
    func otherBase() throws {
        let directory = try workspace()
        #expect(train(directory, []).status == 0)
        let result = runQLoRA(
            arguments: [
                "evaluate", "--model", "\(Fixtures.modelsDirectory)/llama-v4-plain", "--adapter",
                directory.path + "/run", "--data", directory.path + "/rows.jsonl",
            ])
        #expect(result.status == 65, "\(result.standardError)")
        #expect(result.standardError.contains("lora_"), "\(result.standardError)")
    }

    @Test("Missing inputs end with 66", arguments: ["train", "evaluate", "generate"])
    func missing(verb: String) throws {
        let directory = try workspace()
        var arguments = [verb, "--model", directory.path + "/none"]
        arguments += verb == "generate" ? ["--prompt", "a"] : ["--data", directory.path + "/rows.jsonl"]
        if verb == "train" { arguments += ["-o", directory.path + "/run"] }
        let result = runQLoRA(arguments: arguments)
        #expect(result.status == 66, "\(result.standardError)")
        #expect(result.standardError.contains(directory.path + "/none"))
    }

    @Test("A file size limit (a full disk) ends with 74 and leaves no adapter")
    func fullDisk() throws {
        let directory = try workspace()
        guard let program = QLoRACommand.path else { return }
        let result = runCommand(
            path: "/bin/bash",
            arguments: [
                "-c",
                "ulimit -f 8; exec \(program) train --model \(Self.model) --data \(directory.path)/rows.jsonl "
                    + "-o \(directory.path)/run --max-steps 2 --eval-split 0 --rank 64",
            ])
        #expect(result.status == 74, "\(result.standardError)")
        #expect(FileSystem.status(directory.path + "/run/adapter_model.safetensors") == nil)
        #expect(FileSystem.status(directory.path + "/run/adapter_config.json") == nil)
    }

    @Test("An instruction set that does not exist is refused")
    func instructionSet() throws {
        let directory = try workspace()
        let result = runQLoRA(
            arguments: ["evaluate", "--model", Self.model, "--data", directory.path + "/rows.jsonl"],
            environment: ["QLORA_ISA": "mmx"])
        #expect(result.status == 64)
        #expect(result.standardError.contains("QLORA_ISA is \"mmx\""))
        let portable = runQLoRA(
            arguments: [
                "evaluate", "--model", Self.model, "--data", directory.path + "/rows.jsonl", "--compute", "bfloat16",
            ], environment: ["QLORA_ISA": "portable"])
        #expect(portable.status == 69)
        #expect(portable.standardError.contains("the instruction set portable has no bfloat16 products"))
    }

    @Test("An interrupted run ends with 143 and keeps what whole steps have learned")
    func interrupted() throws {
        let directory = try workspace()
        guard let program = QLoRACommand.path else { return }
        let result = runCommand(
            path: "/bin/bash",
            arguments: [
                "-c",
                "\(program) train --model \(Self.model) --data \(directory.path)/rows.jsonl -o \(directory.path)/run "
                    + "--max-steps 100000000 --eval-split 0 & child=$!; "
                    + "while ! [ -s \(directory.path)/run/metrics.jsonl ]; do sleep 0.05; done; "
                    + "kill -TERM $child; wait $child",
            ])
        #expect(result.status == 143, "\(result.standardError)")
        let record = try FileReader.readJSON(directory.path + "/run/run.json")
        #expect(record["result"]?["steps"]?.integer ?? 0 > 0)
        #expect(record["result"]?["status"]?.string?.contains("stopped after step") == true)
        #expect(FileSystem.status(directory.path + "/run/adapter_model.safetensors") != nil)
    }

    @Test("A base that is truncated while it is mapped ends with 74, not with a bus error")
    func truncatedBase() throws {
        let directory = try workspace()
        guard let program = QLoRACommand.path else { return }
        try FileSystem.createDirectory(directory.path + "/base")
        for name in ["config.json", "model.safetensors"] {
            try AtomicFile.write(
                try FileReader.read(Self.model + "/" + name), to: directory.path + "/base/" + name)
        }
        let result = runCommand(
            path: "/bin/bash",
            arguments: [
                "-c",
                "\(program) train --model \(directory.path)/base --data \(directory.path)/rows.jsonl "
                    + "-o \(directory.path)/run --max-steps 100000000 --eval-split 0 & child=$!; "
                    + "while ! [ -s \(directory.path)/run/metrics.jsonl ]; do sleep 0.05; done; "
                    + ": > \(directory.path)/base/model.safetensors; wait $child",
            ])
        #expect(result.status == 74, "\(result.status) \(result.standardError)")
        #expect(result.standardError.contains("model.safetensors"), "\(result.standardError)")
    }
}
