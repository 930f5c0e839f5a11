import System
import TestSupport
import Testing
import Training

@Suite("Records of a run")
struct RunRecordTests {
    @Test(
        "When to save",
        arguments: [
            ("0", SaveCadence.atEnd), ("25", .steps(25)), ("90s", .seconds(90)), ("10m", .seconds(600)),
            ("0.5h", .seconds(1800)), ("0m", .atEnd),
        ])
    func cadence(option: String, expected: SaveCadence) throws { #expect(try SaveCadence(option: option) == expected) }

    @Test("Wrong times are refused", arguments: ["", "m", "-1", "10x", "nan m", "infm", "1e30h", "2.5"])
    func wrongCadence(option: String) {
        #expect { try SaveCadence(option: option) } throws: { ($0 as? Failure)?.kind == .usage }
    }

    @Test func dueness() {
        #expect(!SaveCadence.atEnd.isDue(afterSteps: 100, secondsSinceSave: 1e9))
        #expect(SaveCadence.steps(5).isDue(afterSteps: 10, secondsSinceSave: 0))
        #expect(!SaveCadence.steps(5).isDue(afterSteps: 11, secondsSinceSave: 1e9))
        #expect(SaveCadence.seconds(60).isDue(afterSteps: 3, secondsSinceSave: 60))
        #expect(!SaveCadence.seconds(60).isDue(afterSteps: 3, secondsSinceSave: 59))
    }

    /// The list of data files has been an object by their names: both say what was read, and neither is compared.
    @Test("A checkpoint whose header names data files in another way is gone on from")
    func formerHeader() throws {
        let identity = RunIdentity(
            options: JSONObject([("rank", .integer(4))]), inputs: JSONObject([("data", .string("ab"))]),
            machine: JSONObject())
        let header = CheckpointHeader(
            position: TrainingPosition(steps: 3, isEvaluated: false), seconds: 1, identity: identity,
            notes: JSONObject([("data", .object(JSONObject([("rows.jsonl", .string("cd"))])))]))
        let read = try CheckpointHeader(header.json, file: "checkpoint")
        #expect(read.position == header.position)
        #expect(identity.changes(since: read.identity, mayBeLonger: false).isEmpty)
    }

    private func step(_ number: Int) -> TrainingEvent {
        .step(
            StepRecord(
                step: number, epoch: Double(number) / 3, loss: 1 / Double(number), gradientNorm: 0.1,
                learningRate: 1e-4, tokens: 7, supervisedTokens: 5, tokensPerSecond: 3, residentByteCount: 9))
    }

    private func evaluation(_ number: Int) -> TrainingEvent {
        .evaluation(EvaluationRecord(step: number, loss: 2, perplexity: 7.4, tokens: 11))
    }

    @Test("Metrics are cut back to a checkpoint's position, whatever a kill left", arguments: [true, false])
    func cut(isEvaluated: Bool) throws {
        let directory = TemporaryDirectory()
        do {
            let file = try MetricsFile(directory: directory.path, position: .start)
            for event in [step(1), step(2), evaluation(2), step(3), evaluation(3)] { try file.append(event) }
        }
        let path = directory.path + "/metrics.jsonl"
        let whole = try FileReader.readText(path)
        try AtomicFile.write(whole + "{\"kind\":\"step\",\"step\":4,\"ep", to: path)
        let position = TrainingPosition(steps: 2, isEvaluated: isEvaluated)
        let file = try MetricsFile(directory: directory.path, position: position)
        #expect(file.kept.map(\.step) == (isEvaluated ? [1, 2, 2] : [1, 2]))
        #expect(file.missingSteps(upTo: position) == 0)
        #expect(file.missingSteps(upTo: TrainingPosition(steps: 5, isEvaluated: true)) == 3)
        try file.append(step(3))
        let lines = whole.split(separator: "\n", omittingEmptySubsequences: true)
        let expected = lines.prefix(isEvaluated ? 3 : 2) + [lines[3]]
        #expect(try FileReader.readText(path) == expected.map { $0 + "\n" }.joined())
    }

    private func identity(rate: Double = 1e-4, epochs: Double = 1, base: String = "aa") -> RunIdentity {
        RunIdentity(
            options: JSONObject([("learning_rate", .double(rate)), ("epochs", .double(epochs))]),
            inputs: JSONObject([("base", .string(base))]), machine: JSONObject([("instruction_set", .string("avx2"))]))
    }

    @Test("What changed is named, with both values; the length of a run may be let pass")
    func changes() throws {
        let saved = try #require(RunIdentity(identity().json))
        #expect(identity().changes(since: saved, mayBeLonger: false).isEmpty)
        #expect(
            identity(rate: 2e-4, base: "bb").changes(since: saved, mayBeLonger: true) == [
                "--learning-rate was 0.0001 and is 0.0002", "the SHA-256 of the base was aa and is bb",
            ])
        #expect(identity(epochs: 2).changes(since: saved, mayBeLonger: false) == ["--epochs was 1.0 and is 2.0"])
        #expect(identity(epochs: 2).changes(since: saved, mayBeLonger: true).isEmpty)
        var other = identity()
        other.machine.set("instruction_set", .string("avx512"))
        other.inputs.remove("base")
        #expect(
            other.changes(since: saved, mayBeLonger: false) == [
                "the SHA-256 of the base was aa and is not given", "the instruction set was avx2 and is avx512",
            ])
    }

    @Test("Temporary files of other processes are known by their names")
    func temporaries() {
        #expect(AtomicFile.writer(ofTemporary: ".run.json.tmp.123.4") == 123)
        for name in ["run.json", ".lock", ".a.tmp.12", ".tmp.1.2", ".a.tmp.x.1", ".a.tmp.-3.1", ".a.tmp.3.y"] {
            #expect(AtomicFile.writer(ofTemporary: name) == nil, "\(name)")
        }
    }
}
