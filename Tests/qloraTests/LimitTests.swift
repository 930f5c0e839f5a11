import System
import TestSupport
import Testing

/// `train` with a limit: it saves, stops with status 75, and goes on with --resume as if it had never stopped.
@Suite("Limits of a run", .enabled(if: QLoRACommand.isBuilt))
struct LimitTests {
    private let directory = TemporaryDirectory()

    init() { directory.write("rows.jsonl", VerbTests.rows) }

    private func train(_ run: String, _ more: [String]) -> CommandResult {
        runQLoRA(
            arguments: [
                "train", "--model", VerbTests.model, "--data", directory.file("rows.jsonl"), "-o", directory.file(run),
                "--eval-split", "0.2", "--gradient-accumulation", "3", "--rank", "4",
            ] + more)
    }

    /// The lines of metrics of one kind.
    private func events(_ run: String, _ kind: String) throws -> [JSONValue] {
        try FileReader.readText(directory.file(run) + "/metrics.jsonl").split(separator: "\n")
            .map { try JSONParser.parse(String($0)) }.filter { $0["kind"]?.string == kind }
    }

    private func adapter(_ run: String) throws -> [UInt8] {
        try FileReader.read(directory.file(run) + "/adapter_model.safetensors")
    }

    @Test func tokensEndARun() throws {
        let options = ["--max-steps", "9", "--eval-every", "2"]
        #expect(train("whole", options).status == 0)
        let tokens = try events("whole", "step").prefix(4).reduce(0) { $0 + ($1["tokens"]?.integer ?? 0) }
        let limited = options + ["--max-tokens-total", "\(tokens)"]
        let first = train("run", limited)
        #expect(first.status == 75, "\(first.standardError)")
        #expect(
            first.standardError.contains("\(tokens) tokens have been trained on, and --max-tokens-total is \(tokens)"),
            "\(first.standardError)")
        #expect(first.standardError.contains("the run is saved after step 4 of 9"), "\(first.standardError)")
        #expect(try events("run", "step").count == 4)
        // Nothing is trained where the limit is reached already.
        let again = train("run", limited + ["--resume"])
        #expect(again.status == 75, "\(again.standardError)")
        #expect(try events("run", "step").count == 4)
        let rest = train("run", options + ["--resume"])
        #expect(rest.status == 0, "\(rest.standardError)")
        #expect(try adapter("run") == adapter("whole"))
        #expect(try events("run", "eval").compactMap { $0["step"]?.integer } == [2, 4, 6, 8, 9])
    }

    @Test func lossesThatStayEndARun() throws {
        let options = ["--max-steps", "20", "--eval-every", "2", "--learning-rate", "0", "--early-stopping", "2"]
        let first = train("run", options)
        #expect(first.status == 75, "\(first.standardError)")
        #expect(
            first.standardError.contains("was not lowered in 2 evaluations, and --early-stopping is 2"),
            "\(first.standardError)")
        #expect(first.standardError.contains("the run is saved after step 6 of 20"), "\(first.standardError)")
        let again = train("run", options + ["--resume"])
        #expect(again.status == 75, "\(again.standardError)")
        #expect(try events("run", "step").count == 6)
        #expect(try events("run", "eval").compactMap { $0["step"]?.integer } == [2, 4, 6])
        // Losses that fall do not.
        let learning = train(
            "other", ["--max-steps", "6", "--eval-every", "2", "--learning-rate", "1e-3", "--early-stopping", "3"])
        #expect(learning.status == 0, "\(learning.standardError)")
    }

    @Test func timeEndsARun() throws {
        let result = train("run", ["--max-steps", "100000000", "--deadline", "1s"])
        #expect(result.status == 75, "\(result.standardError)")
        #expect(result.standardError.contains("another step would go beyond --deadline"), "\(result.standardError)")
        #expect(try events("run", "step").count > 1)
        let record = try FileReader.readJSON(directory.file("run") + "/run.json")
        #expect(record["options"]?["deadline"]?.string == "1s")
        #expect(record["result"]?["seconds"]?.double ?? 9 < 3)
    }

    @Test(arguments: [
        (["--max-tokens-total", "0"], "--max-tokens-total is 0: 1 or more is expected"),
        (["--early-stopping", "0"], "--early-stopping is 0: 1 or more is expected"),
        (["--early-stopping", "2"], "nothing is evaluated between steps"),
        (["--early-stopping", "2", "--eval-every", "2", "--eval-split", "0"], "nothing is evaluated between steps"),
        (["--deadline", "soon"], "--deadline is soon: a time such as 90s, 45m or 8h is expected"),
        (["--deadline", "0h"], "--deadline is 0h"),
        (["--deadline", "-1h"], "--deadline is -1h"),
    ])
    func valuesAreChecked(options: [String], message: String) {
        let result = train("run", options.contains("-1h") ? ["--deadline=-1h"] : options)
        #expect(result.status == 64, "\(result.standardError)")
        #expect(result.standardError.contains(message), "\(result.standardError)")
    }
}
