package import System

/// What a run reports: a line of metrics.jsonl each.
package enum TrainingEvent: Sendable {
    case step(StepRecord)
    case evaluation(EvaluationRecord)

    /// The line of `metrics.jsonl`, without its end.
    package var json: JSONValue {
        switch self {
        case .step(let record): record.json
        case .evaluation(let record): record.json
        }
    }
}

/// One optimizer step.
package struct StepRecord: Sendable {
    /// From 1.
    package var step: Int
    /// Epochs done.
    package var epoch: Double
    /// Mean over the supervised tokens of the step, in nats.
    package var loss: Double
    /// Norm of the gradient before clipping.
    package var gradientNorm: Double
    package var learningRate: Double
    package var tokens: Int
    package var supervisedTokens: Int
    package var tokensPerSecond: Double
    package var residentByteCount: Int

    package var json: JSONValue {
        .object(
            JSONObject([
                ("kind", .string("step")), ("step", .integer(step)), ("epoch", .double(epoch)), ("loss", .double(loss)),
                ("grad_norm", .double(gradientNorm)), ("learning_rate", .double(learningRate)),
                ("tokens", .integer(tokens)), ("supervised_tokens", .integer(supervisedTokens)),
                ("tokens_per_second", .double(tokensPerSecond)), ("rss_bytes", .integer(residentByteCount)),
            ]))
    }
}

/// One evaluation on held-out rows.
package struct EvaluationRecord: Sendable {
    /// Optimizer steps done; 0 is before the first.
    package var step: Int
    package var loss: Double
    package var perplexity: Double
    /// Scored tokens.
    package var tokens: Int

    package var json: JSONValue {
        .object(
            JSONObject([
                ("kind", .string("eval")), ("step", .integer(step)), ("loss", .double(loss)),
                ("perplexity", .double(perplexity)), ("tokens", .integer(tokens)),
            ]))
    }
}
