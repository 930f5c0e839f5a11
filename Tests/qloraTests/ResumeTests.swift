import System
import TestSupport
import Testing

/// `train --resume`: the run goes on as if it had never stopped, or says why it cannot.
@Suite("Resuming", .enabled(if: QLoRACommand.isBuilt))
struct ResumeTests {
    private static let model = VerbTests.model

    private func workspace() throws -> TemporaryDirectory {
        let directory = TemporaryDirectory()
        try AtomicFile.write(VerbTests.rows, to: directory.path + "/rows.jsonl")
        return directory
    }

    private func arguments(_ directory: TemporaryDirectory, _ run: String, _ more: [String]) -> [String] {
        [
            "train", "--model", Self.model, "--data", directory.path + "/rows.jsonl", "-o", directory.path + "/" + run,
            "--eval-split", "0.2", "--eval-every", "4", "--gradient-accumulation", "3", "--rank", "4", "--dropout",
            "0.1",
        ] + more
    }

    private func train(_ directory: TemporaryDirectory, _ run: String, _ more: [String]) -> CommandResult {
        runQLoRA(arguments: arguments(directory, run, more))
    }

    /// The lines of metrics without what depends on the clock.
    private func metrics(_ directory: TemporaryDirectory, _ run: String) throws -> [String] {
        try FileReader.readText(directory.path + "/\(run)/metrics.jsonl").split(separator: "\n").map { line in
            guard var object = try JSONParser.parse(String(line)).object else { return "" }
            object.remove("tokens_per_second")
            object.remove("rss_bytes")
            return JSONWriter.compact.string(.object(object))
        }
    }

    private func adapter(_ directory: TemporaryDirectory, _ run: String) throws -> [UInt8] {
        try FileReader.read(directory.path + "/\(run)/adapter_model.safetensors")
    }

    private func checkpoints(_ directory: TemporaryDirectory, _ run: String) throws -> [String] {
        try FileSystem.list(directory.path + "/\(run)/checkpoints")
    }

    @Test("A run that is extended equals one that was long from the start, on other threads, to the bit")
    func extended() throws {
        let directory = try workspace()
        let whole = train(directory, "whole", ["--max-steps", "11", "--schedule", "constant", "--threads", "1"])
        #expect(whole.status == 0, "\(whole.standardError)")
        // Begun with --resume in a directory that does not exist.
        let first = train(
            directory, "cut", ["--max-steps", "6", "--schedule", "constant", "--eval-split", "0.2", "--resume"])
        #expect(first.status == 0, "\(first.standardError)")
        #expect(first.standardError.contains("the run starts at step 1"))
        let refused = train(directory, "cut", ["--max-steps", "11", "--schedule", "constant", "--resume"])
        #expect(refused.status == 64)
        #expect(refused.standardError.contains("--max-steps was 6 and is 11"), "\(refused.standardError)")
        let second = train(
            directory, "cut",
            [
                "--max-steps", "11", "--schedule", "constant", "--resume", "--extend", "--threads", "3", "--recompute",
                "all", "--batch-size", "3", "--gradient-accumulation", "1",
            ])
        #expect(second.status == 0, "\(second.standardError)")
        #expect(second.standardError.contains("resumed after step 6 of 11"))
        // The shorter run was evaluated at its end, too.
        #expect(
            try metrics(directory, "cut").filter { !$0.contains(#""eval","step":6"#) } == metrics(directory, "whole"))
        #expect(try adapter(directory, "cut") == adapter(directory, "whole"))
        let record = try FileReader.readJSON(directory.path + "/cut/run.json")
        #expect(record["result"]?["steps"]?.integer == 11)
        let reference = try FileReader.readJSON(directory.path + "/whole/run.json")
        #expect(record["result"]?["tokens"]?.integer == reference["result"]?["tokens"]?.integer)
    }

    @Test("A finished run that is resumed stays as it is")
    func finished() throws {
        let directory = try workspace()
        #expect(train(directory, "run", ["--max-steps", "5"]).status == 0)
        let before = try (metrics(directory, "run"), adapter(directory, "run"), checkpoints(directory, "run"))
        try FileSystem.removeFile(directory.path + "/run/adapter_model.safetensors")
        let again = train(directory, "run", ["--max-steps", "5", "--resume"])
        #expect(again.status == 0, "\(again.standardError)")
        #expect(try metrics(directory, "run") == before.0)
        #expect(try adapter(directory, "run") == before.1)
        #expect(try checkpoints(directory, "run") == before.2)
    }

    @Test("Killed at any moment and resumed, the run is the same to the bit", arguments: ["KILL", "TERM"])
    func killed(signal: String) throws {
        let directory = try workspace()
        guard let program = QLoRACommand.path else { return }
        let options = ["--max-steps", "400", "--save-every", "7", "--eval-every", "50"]
        #expect(train(directory, "whole", options + ["--threads", "2"]).status == 0)
        let command = ([program] + arguments(directory, "cut", options + ["--threads", "1", "--resume"])).joined(
            separator: " ")
        var kills = 0
        for delay in ["0.03", "0.09", "0.17", "0.06", "0.2", "0.12"] {
            let result = runCommand(
                path: "/bin/bash",
                arguments: [
                    "-c", "\(command) & child=$!; sleep \(delay); kill -\(signal) $child 2>/dev/null; wait $child",
                ])
            if result.status != 0 { kills += 1 }
            #expect([0, 137, 143].contains(result.status), "\(result.standardError)")
        }
        #expect(kills > 0)
        let last = train(directory, "cut", options + ["--resume"])
        #expect(last.status == 0, "\(last.standardError)")
        #expect(try metrics(directory, "cut") == metrics(directory, "whole"))
        #expect(try adapter(directory, "cut") == adapter(directory, "whole"))
        #expect(try checkpoints(directory, "cut").count == 2)
        let names = try FileSystem.list(directory.path + "/cut")
        #expect(names.allSatisfy { !$0.contains(".tmp.") }, "\(names)")
    }

    @Test("A damaged checkpoint is set aside by name, and the one before it taken")
    func damaged() throws {
        let directory = try workspace()
        let options = ["--max-steps", "9", "--save-every", "4", "--keep", "3"]
        #expect(train(directory, "run", options).status == 0)
        let before = try (metrics(directory, "run"), adapter(directory, "run"))
        let names = try checkpoints(directory, "run")
        #expect(names.count == 3)
        let newest = directory.path + "/run/checkpoints/" + (names.last ?? "")
        var bytes = try FileReader.read(newest)
        bytes[bytes.count / 2] ^= 1
        try AtomicFile.write(bytes, to: newest)
        let result = train(directory, "run", options + ["--resume"])
        #expect(result.status == 0, "\(result.standardError)")
        #expect(result.standardError.contains(names.last ?? "?"), "\(result.standardError)")
        #expect(result.standardError.contains("resumed after step 8 of 9"), "\(result.standardError)")
        #expect(try metrics(directory, "run") == before.0)
        #expect(try adapter(directory, "run") == before.1)
        #expect(FileSystem.isRegularFile(newest + ".corrupt"))
    }

    /// What is otherwise on resuming, and what the message must say.
    private static let changes: [(arguments: [String], message: String, status: Int32)] = [
        (["--learning-rate", "0.001"], "--learning-rate was 0.0002 and is 0.001", 64),
        (["--seed", "7"], "--seed was 42 and is 7", 64),
        (["--gradient-accumulation", "4"], "--rows-per-step was 3 and is 4", 64),
        (["--rank", "8"], "--rank was 4 and is 8", 64),
        (["--rank", "8", "--accept-changes"], "no such array of the shape", 65),
        (["--overwrite"], "--resume and --overwrite are both given", 64),
        (["--keep", "0"], "--keep is 0", 64),
        (["--save-every", "soon"], "--save-every is soon", 64),
    ]

    @Test("A run that would not be the same is refused by name, and stays as it was", arguments: changes.indices)
    func refused(index: Int) throws {
        let (more, message, status) = Self.changes[index]
        let directory = try workspace()
        #expect(train(directory, "run", ["--max-steps", "3"]).status == 0)
        let before = try (metrics(directory, "run"), adapter(directory, "run"))
        let result = train(directory, "run", ["--max-steps", "3", "--resume"] + more)
        #expect(result.status == status, "\(result.standardError)")
        #expect(result.standardError.contains(message), "\(result.standardError)")
        #expect(try metrics(directory, "run") == before.0)
        #expect(try adapter(directory, "run") == before.1)
    }

    @Test("Another instruction set, other rows or another base are named; accepted, the run goes on")
    func otherInputs() throws {
        let directory = try workspace()
        #expect(train(directory, "run", ["--max-steps", "3"]).status == 0)
        let portable = runQLoRA(
            arguments: arguments(directory, "run", ["--max-steps", "3", "--resume"]),
            environment: ["QLORA_ISA": "portable"])
        #expect(portable.status == 64)
        #expect(portable.standardError.contains("the instruction set was"), "\(portable.standardError)")
        try AtomicFile.write(
            VerbTests.rows + "{\"input_ids\":[1,2,3]}\n", to: directory.path + "/rows.jsonl")
        let rows = train(directory, "run", ["--max-steps", "3", "--resume"])
        #expect(rows.status == 64)
        #expect(rows.standardError.contains("the SHA-256 of the data was"), "\(rows.standardError)")
        let accepted = train(
            directory, "run", ["--max-steps", "6", "--resume", "--accept-changes"])
        #expect(accepted.status == 0, "\(accepted.standardError)")
        #expect(accepted.standardError.contains("the run goes on otherwise than it was started"))
        #expect(try metrics(directory, "run").filter { $0.contains(#""kind":"step""#) }.count == 6)
    }

    @Test("Files of one name in different folders are two in the record, each with its hash, and the run goes on")
    func filesOfOneName() throws {
        let directory = try workspace()
        try FileSystem.createDirectory(directory.file("more"))
        directory.write("more/rows.jsonl", "{\"input_ids\":[4,5,6,7]}\n")
        let arguments = [
            "train", "--model", Self.model, "--data", directory.file("rows.jsonl"), "--data",
            directory.file("more/rows.jsonl"), "--eval-data", directory.file("rows.jsonl"), "-o",
            directory.file("run"), "--max-steps", "2",
        ]
        #expect(runQLoRA(arguments: arguments).status == 0)
        let files = try #require(try FileReader.readJSON(directory.file("run/run.json"))["data"]?.array)
        #expect(files.map { $0["name"]?.string } == ["rows.jsonl", "rows.jsonl", "rows.jsonl"])
        #expect(files.map { $0["use"]?.string } == ["training", "training", "evaluation"])
        let hashes = try ["rows.jsonl", "more/rows.jsonl", "rows.jsonl"].map { try FileDigest.hex(directory.file($0)) }
        #expect(files.map { $0["sha256"]?.string } == hashes)
        #expect(runQLoRA(arguments: arguments + ["--resume"]).status == 0)
        // Another file of that name is another run.
        directory.write("more/rows.jsonl", "{\"input_ids\":[7,6,5,4]}\n")
        let changed = runQLoRA(arguments: arguments + ["--resume"])
        #expect(changed.status == 64 && changed.standardError.contains("the SHA-256 of the data was"))
    }

    @Test("A directory in use is refused with the process, one with other files by their name")
    func occupied() throws {
        let directory = try workspace()
        guard let program = QLoRACommand.path else { return }
        let long = ([program] + arguments(directory, "run", ["--max-steps", "100000000"])).joined(separator: " ")
        let second = ([program] + arguments(directory, "run", ["--max-steps", "3", "--resume"])).joined(separator: " ")
        let result = runCommand(
            path: "/bin/bash",
            arguments: [
                "-c",
                "\(long) --quiet & child=$!; while ! [ -s \(directory.path)/run/metrics.jsonl ]; do sleep 0.02; done; "
                    + "\(second); status=$?; echo child $child; kill $child; wait $child; exit $status",
            ])
        #expect(result.status == 73, "\(result.standardError)")
        let child = result.standardOutput.split(separator: " ").last.map { $0.filter(\.isNumber) } ?? "?"
        #expect(result.standardError.contains("in use by the run with process id \(child)"), "\(result.standardError)")
        let fresh = train(directory, "run", ["--max-steps", "3"])
        #expect(fresh.status == 73)
        #expect(fresh.standardError.contains("--resume to go on"), "\(fresh.standardError)")
        try AtomicFile.write("mine", to: directory.path + "/run/notes.txt")
        let foreign = train(directory, "run", ["--max-steps", "3", "--overwrite"])
        #expect(foreign.status == 73)
        #expect(foreign.standardError.contains("notes.txt"), "\(foreign.standardError)")
    }
}
