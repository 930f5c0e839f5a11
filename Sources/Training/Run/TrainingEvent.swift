package import System

/// What a run reports: a line of metrics.jsonl each.
package enum TrainingEvent: Sendable {
    case step(StepRecord)
    case evaluation(EvaluationRecord)

    /// The event of a line of `metrics.jsonl`; nil where the line is of no known kind or incomplete.
    package init?(_ json: JSONValue) {
        switch json["kind"]?.string {
        case "step":
            guard let record = StepRecord(json) else { return nil }
            self = .step(record)
        case "eval":
            guard let record = EvaluationRecord(json) else { return nil }
            self = .evaluation(record)
        default: return nil
        }
    }

    /// Optimizer steps done at the event.
    package var step: Int {
        switch self {
        case .step(let record): record.step
        case .evaluation(let record): record.step
        }
    }

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
    /// The auxiliary loss of a mixture's routers, not multiplied with its coefficient; nil where it is off.
    package var routerLoss: Double?

    package init(
        step: Int, epoch: Double, loss: Double, gradientNorm: Double, learningRate: Double, tokens: Int,
        supervisedTokens: Int, tokensPerSecond: Double, residentByteCount: Int
    ) {
        self.step = step
        self.epoch = epoch
        self.loss = loss
        self.gradientNorm = gradientNorm
        self.learningRate = learningRate
        self.tokens = tokens
        self.supervisedTokens = supervisedTokens
        self.tokensPerSecond = tokensPerSecond
        self.residentByteCount = residentByteCount
    }

    package var json: JSONValue {
        .object(
            JSONObject(
                [
                    ("kind", .string("step")), ("step", .integer(step)), ("epoch", .double(epoch)),
                    ("loss", .double(loss)),
                    ("grad_norm", .double(gradientNorm)), ("learning_rate", .double(learningRate)),
                    ("tokens", .integer(tokens)), ("supervised_tokens", .integer(supervisedTokens)),
                    ("tokens_per_second", .double(tokensPerSecond)), ("rss_bytes", .integer(residentByteCount)),
                ] + (routerLoss.map { [("router_aux_loss", .double($0))] } ?? [])))
    }
}

extension StepRecord {
    /// The record of a line; nil where a field is missing.
    init?(_ json: JSONValue) {
        guard let step = json["step"]?.integer, let epoch = json["epoch"]?.double, let loss = json["loss"]?.double,
            let norm = json["grad_norm"]?.double, let rate = json["learning_rate"]?.double,
            let tokens = json["tokens"]?.integer, let supervised = json["supervised_tokens"]?.integer,
            let speed = json["tokens_per_second"]?.double, let resident = json["rss_bytes"]?.integer
        else { return nil }
        self.init(
            step: step, epoch: epoch, loss: loss, gradientNorm: norm, learningRate: rate, tokens: tokens,
            supervisedTokens: supervised, tokensPerSecond: speed, residentByteCount: resident)
        routerLoss = json["router_aux_loss"]?.double
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

    package init(step: Int, loss: Double, perplexity: Double, tokens: Int) {
        self.step = step
        self.loss = loss
        self.perplexity = perplexity
        self.tokens = tokens
    }

    package var json: JSONValue {
        .object(
            JSONObject([
                ("kind", .string("eval")), ("step", .integer(step)), ("loss", .double(loss)),
                ("perplexity", .double(perplexity)), ("tokens", .integer(tokens)),
            ]))
    }
}

extension EvaluationRecord {
    /// The record of a line; nil where a field is missing.
    init?(_ json: JSONValue) {
        guard let step = json["step"]?.integer, let loss = json["loss"]?.double,
            let perplexity = json["perplexity"]?.double, let tokens = json["tokens"]?.integer
        else { return nil }
        self.init(step: step, loss: loss, perplexity: perplexity, tokens: tokens)
    }
}
