internal import System
internal import Training

/// What a run did: gathered event by event, written to `run.json`, told in a few lines at the end.
struct RunReport {
    private let facts: RunFacts
    private let quote: RunQuote
    /// When the run would have begun if it had never been interrupted, in seconds of the monotonic clock.
    private let start: Double
    /// Steps of the whole run.
    private let total: Int
    private(set) var stepsDone = 0
    private var firstLoss: Double?
    private var lastStep: StepRecord?
    private var evaluations: [EvaluationRecord] = []
    private var tokens = 0
    private var supervisedTokens = 0
    /// When the first step of this process began, and the steps that were done then.
    private let processStart = MonotonicClock.seconds
    /// `finished`, or why it stopped.
    var status = "finished"

    init(facts: RunFacts, quote: RunQuote, start: Double, total: Int) {
        self.facts = facts
        self.quote = quote
        self.start = start
        self.total = total
    }

    mutating func record(_ event: TrainingEvent) {
        switch event {
        case .step(let record):
            stepsDone = record.step
            firstLoss = firstLoss ?? record.loss
            lastStep = record
            tokens += record.tokens
            supervisedTokens += record.supervisedTokens
        case .evaluation(let record): evaluations.append(record)
        }
    }

    /// A few words for the progress bar.
    var detail: String {
        guard let lastStep else { return "" }
        return "loss \(NumberText.fixed(lastStep.loss, digits: 4)), "
            + "\(NumberText.fixed(lastStep.tokensPerSecond, digits: 0)) tokens/s"
    }

    /// Seconds that the steps still to do will take at the pace of this process.
    ///
    /// - Parameter origin: steps that were done when the process began.
    func secondsLeft(since origin: Int) -> Double {
        guard stepsDone > origin else { return 0 }
        return (MonotonicClock.seconds - processStart) / Double(stepsDone - origin) * Double(total - stepsDone)
    }

    /// A line worth a note: some twenty steps of a run, the second one with the time to go, and every evaluation.
    func note(on event: TrainingEvent, since origin: Int) -> String? {
        switch event {
        case .step(let record):
            let isTimed = record.step == origin + 2, interval = max(1, total / 20)
            guard
                record.step == origin + 1 || isTimed || record.step == total || record.step.isMultiple(of: interval)
            else { return nil }
            let left = record.step < total && (isTimed || record.step.isMultiple(of: interval))
            return "step \(record.step)/\(total): \(detail)"
                + (left ? ", about \(DurationText.text(secondsLeft(since: origin))) to go" : "")
        case .evaluation(let record):
            return "held-out loss after step \(record.step): \(NumberText.fixed(record.loss, digits: 4)), "
                + "perplexity \(NumberText.fixed(record.perplexity, digits: 2)) over \(record.tokens) tokens"
        }
    }

    /// The document of `run.json`.
    var json: JSONValue {
        let seconds = MonotonicClock.seconds - start
        let results: [(String, JSONValue)] = [
            ("status", .string(status)), ("steps", .integer(stepsDone)), ("tokens", .integer(tokens)),
            ("supervised_tokens", .integer(supervisedTokens)),
            ("first_loss", firstLoss.map { .double($0) } ?? .null),
            ("final_loss", lastStep.map { .double($0.loss) } ?? .null),
            ("evaluations", .array(evaluations.map(\.json))), ("seconds", .double(seconds)),
            ("tokens_per_second", .double(Double(tokens) / max(seconds, 1e-9))),
            ("peak_rss_bytes", .integer(MemoryProbe.usage().peakResident)),
        ]
        return .object(
            JSONObject([
                ("program", .string("qlora \(QLoRA.version)")), ("options", .object(facts.options)),
                ("base", .object(facts.base)), ("data", facts.data),
                ("inputs", .object(facts.identity.inputs)),
                ("machine", .object(facts.machine)),
                ("plan", quote.json), ("result", .object(JSONObject(results))),
            ]))
    }

    /// The closing lines for people.
    func summary(output: String) -> String {
        var lines = ["trained \(stepsDone) steps on \(tokens) tokens; the adapter is in \(output)"]
        if let firstLoss, let lastStep {
            lines.append(
                "loss: \(NumberText.fixed(firstLoss, digits: 4)) at first, "
                    + "\(NumberText.fixed(lastStep.loss, digits: 4)) at the end")
        }
        if let last = evaluations.last {
            lines.append("held-out loss: \(NumberText.fixed(last.loss, digits: 4))")
        }
        lines.append("peak memory: \(ByteText.text(MemoryProbe.usage().peakResident))")
        return lines.joined(separator: "\n")
    }
}
