internal import Adapters
internal import ArgumentParser
internal import Datasets
internal import DecoderModels
internal import Kernels
internal import ModelFiles
internal import System
internal import Training

/// What a run did: gathered event by event, written to `run.json`, told in a few lines at the end.
struct RunReport {
    private let verb: Train
    private let base: DecoderModel
    private let directory: ModelDirectory
    private let quote: RunQuote
    private let context: ComputeContext
    private let start: Double
    private(set) var stepsDone = 0
    private var firstLoss: Double?
    private var lastStep: StepRecord?
    private var evaluations: [EvaluationRecord] = []
    private var tokens = 0
    private var supervisedTokens = 0
    /// `finished`, or why it stopped.
    var status = "finished"

    init(
        _ verb: Train, base: DecoderModel, directory: ModelDirectory, quote: RunQuote, context: ComputeContext,
        start: Double
    ) {
        self.verb = verb
        self.base = base
        self.directory = directory
        self.quote = quote
        self.context = context
        self.start = start
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

    /// A line worth a note: some twenty steps of a run, and every evaluation.
    func note(on event: TrainingEvent, of total: Int) -> String? {
        switch event {
        case .step(let record):
            guard record.step == 1 || record.step == total || record.step.isMultiple(of: max(1, total / 20)) else {
                return nil
            }
            var line = "step \(record.step)/\(total): \(detail)"
            if record.step == 2 || record.step == max(1, total / 20), record.step < total {
                let left = (MonotonicClock.seconds - start) / Double(record.step) * Double(total - record.step)
                line += ", about \(NumberText.fixed(left, digits: 0)) s to go"
            }
            return line
        case .evaluation(let record):
            return "held-out loss after step \(record.step): \(NumberText.fixed(record.loss, digits: 4)), "
                + "perplexity \(NumberText.fixed(record.perplexity, digits: 2)) over \(record.tokens) tokens"
        }
    }

    /// The document of `run.json`.
    func json() throws(Failure) -> JSONValue {
        let seconds = MonotonicClock.seconds - start
        var files: [(String, JSONValue)] = []
        for file in verb.data + verb.evalData {
            files.append((FileSystem.lastComponent(file), .string(try FileDigest.hex(file))))
        }
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
                ("program", .string("qlora \(QLoRA.version)")), ("options", optionsJSON),
                ("base", try baseJSON()), ("data", .object(JSONObject(files))), ("machine", machineJSON),
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

    private var optionsJSON: JSONValue {
        let loop = verb.loop, adapter = verb.adapter
        let optional: (String?) -> JSONValue = { $0.map { .string($0) } ?? .null }
        return .object(
            JSONObject([
                ("rank", .integer(adapter.rank)), ("alpha", .double(adapter.alpha)),
                ("dropout", .double(adapter.dropout)), ("targets", .string(adapter.targets)),
                ("exclude", optional(adapter.exclude)), ("layers", optional(adapter.layers)),
                ("rslora", .bool(adapter.rslora)), ("init_adapter", .bool(adapter.initAdapter != nil)),
                ("epochs", .double(loop.epochs)), ("max_steps", loop.maxSteps.map { .integer($0) } ?? .null),
                ("batch_size", .integer(loop.batchSize)),
                ("gradient_accumulation", .integer(loop.gradientAccumulation)), ("packing", .bool(loop.packing)),
                ("max_length", verb.maxLength.map { .integer($0) } ?? .null),
                ("overlong", .string(verb.overlong.rawValue)), ("data_order", .string(verb.dataOrder.rawValue)),
                ("eval_split", .double(verb.evalSplit)), ("learning_rate", .double(loop.learningRate)),
                ("schedule", .string(loop.schedule)),
                ("warmup_steps", loop.warmupSteps.map { .integer($0) } ?? .null),
                ("warmup_ratio", loop.warmupRatio.map { .double($0) } ?? .null),
                ("optimizer", .string(loop.optimizer)), ("weight_decay", .double(loop.weightDecay)),
                ("beta1", .double(loop.beta1)), ("beta2", .double(loop.beta2)), ("epsilon", .double(loop.epsilon)),
                ("max_grad_norm", .double(loop.maxGradNorm)), ("seed", .number(JSONNumber(text: String(loop.seed)))),
                ("compute", .string(context.computeType.rawValue)), ("eval_every", .integer(loop.evalEvery)),
            ]))
    }

    private func baseJSON() throws(Failure) -> JSONValue {
        .object(
            JSONObject([
                ("name", directory.originalName.map { .string($0) } ?? .null),
                ("model_type", .string(base.configuration.modelType)), ("sha256", .string(try directory.identity())),
                ("formats", .object(JSONObject(base.storage.formats.map { ($0.name, .integer($0.byteCount)) }))),
            ]))
    }

    private var machineJSON: JSONValue {
        .object(
            JSONObject([
                ("processor", .string(ProcessorInfo.current.modelName)),
                ("threads", .integer(context.pool.threadCount)),
                ("instruction_set", .string(context.kernels.instructionSet.rawValue)),
                ("openblas_core", .string(Algebra.library.coreName)),
                ("openblas_version", .string(Algebra.library.version)),
            ]))
    }
}
