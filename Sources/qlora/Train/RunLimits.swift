internal import System
internal import Training

/// Limits at which a run is saved and stopped, and what has counted towards them.
struct RunLimits {
    private let tokens: Int?
    private let patience: Int?
    /// In seconds of the monotonic clock.
    private let end: Double?

    private var tokenCount = 0
    private var lowestLoss = Double.infinity
    /// Evaluations since the one with the lowest loss.
    private var evaluationsSince = 0
    private var previousBoundary: Double?
    /// The longest time from one step's end to the next one's, with what lay between.
    private var longestStep = 0.0

    init(tokens: Int?, patience: Int?, end: Double?) {
        self.tokens = tokens
        self.patience = patience
        self.end = end
    }

    /// Counts an event, of this process or a former one of the run.
    mutating func record(_ event: TrainingEvent) {
        switch event {
        case .step(let record): tokenCount += record.tokens
        case .evaluation(let record):
            evaluationsSince = record.loss < lowestLoss ? 0 : evaluationsSince + 1
            lowestLoss = min(lowestLoss, record.loss)
        }
    }

    /// Takes the time of a step that has ended.
    mutating func endStep() {
        let now = MonotonicClock.seconds
        if let previousBoundary { longestStep = max(longestStep, now - previousBoundary) }
        previousBoundary = now
    }

    /// - Throws: `stoppedEarly` where a limit is reached, or would be by another step.
    func check() throws(Failure) {
        func stop(_ why: String, _ option: String) -> Failure {
            Failure(.stoppedEarly, why, remedy: "To go on, give the same command with --resume and \(option)")
        }
        if let tokens, tokenCount >= tokens {
            throw stop(
                "\(tokenCount) tokens have been trained on, and --max-tokens-total is \(tokens)",
                "a larger --max-tokens-total, or without it")
        }
        if let patience, evaluationsSince >= patience {
            throw stop(
                "the held-out loss was not lowered in \(evaluationsSince) evaluations, and --early-stopping is \(patience)",
                "a larger --early-stopping, or without it")
        }
        if let end, MonotonicClock.seconds + longestStep > end {
            throw stop("another step would go beyond --deadline", "a new --deadline, or without it")
        }
    }
}
