internal import ArgumentParser
internal import System
internal import Training

/// When a run ends before its steps are done: the options of `train` about that.
struct LimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Save and stop after the step with which this many tokens have been trained on. (default: no limit)",
            valueName: "n"))
    var maxTokensTotal: Int?

    @Option(
        help: ArgumentHelp(
            "Save and stop when this many evaluations in a row have not lowered the held-out loss; needs --eval-every. "
                + "(default: never)", valueName: "n"))
    var earlyStopping: Int?

    @Option(
        help: ArgumentHelp(
            "Time that this command may take, as in 90s, 45m or 8h: it saves and stops before a step that would take it "
                + "beyond. (default: no limit)", valueName: "time"))
    var deadline: String?

    /// The limits, each value checked.
    ///
    /// - Parameters:
    ///   - start: when the command began, in seconds of the monotonic clock.
    ///   - evaluates: whether held-out rows are scored between steps.
    func limits(start: Double, evaluates: Bool) throws(Failure) -> RunLimits {
        if let maxTokensTotal {
            try OptionValue.require(maxTokensTotal >= 1, "--max-tokens-total", maxTokensTotal, "1 or more")
        }
        if let earlyStopping {
            try OptionValue.require(earlyStopping >= 1, "--early-stopping", earlyStopping, "1 or more")
            guard evaluates else {
                throw Failure(
                    .usage, "--early-stopping is given, and nothing is evaluated between steps",
                    remedy: "Give --eval-every, and --eval-data or an --eval-split above 0")
            }
        }
        var end: Double?
        if let deadline {
            let seconds = SaveCadence.seconds(deadline) ?? 0
            try OptionValue.require(seconds > 0, "--deadline", deadline, "a time such as 90s, 45m or 8h")
            end = start + seconds
        }
        return RunLimits(tokens: maxTokensTotal, patience: earlyStopping, end: end)
    }

    /// Members of `options` in `run.json`; none of them changes a step.
    var json: [(String, JSONValue)] {
        [
            ("max_tokens_total", maxTokensTotal.map { .integer($0) } ?? .null),
            ("early_stopping", earlyStopping.map { .integer($0) } ?? .null),
            ("deadline", deadline.map { .string($0) } ?? .null),
        ]
    }
}
