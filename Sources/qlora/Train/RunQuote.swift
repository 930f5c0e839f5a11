internal import Adapters
internal import Datasets
internal import DecoderModels
internal import Kernels
internal import System
internal import Tensors
internal import Training

/// What a run will do and take, said before step 1.
struct RunQuote {
    let rows: Int
    let evaluationRows: Int
    let tokens: Int
    let supervisedTokens: Int
    let steps: Int
    let trainableParameters: Int
    let recompute: TrainingPass.Recompute
    /// Bytes of anonymous memory: activations, adapter, gradients, moments.
    let anonymousByteCount: Int
    /// Bytes of the base, mapped from its files.
    let baseByteCount: Int
    let availableByteCount: Int
    let omissions: [String]

    /// Share of the available memory that `--recompute auto` is willing to fill.
    private static let comfortableShare = 0.5

    init(
        _ base: DecoderModel, _ data: TrainingData, settings: TrainingSettings, recompute choice: RecomputeChoice,
        adapters: AdapterSet, context: ComputeContext
    ) throws {
        let lengths = data.training.map(\.ids.count)
        rows = lengths.count
        evaluationRows = data.evaluation.count
        tokens = lengths.reduce(0, +)
        supervisedTokens = data.training.reduce(0) { $0 + $1.supervisedTokenCount }
        steps = StepPlan(rowCount: rows, settings: settings).totalSteps
        trainableParameters = adapters.parameterCount
        omissions = data.omissions
        baseByteCount = base.storage.byteCount
        availableByteCount = MemoryProbe.availableByteCount
        let capacity = MicroBatches.capacity(lengths: lengths, settings: settings)
        func bytes(_ recompute: TrainingPass.Recompute) -> Int {
            TrainingPass.plan(
                base, capacity: capacity, largestSequence: lengths.max() ?? 1, recompute: recompute, context: context
            ).byteCount + 4 * adapters.parameterCount * MemoryLayout<Float>.stride
        }
        switch choice {
        case .all: recompute = .all
        case .none: recompute = .none
        case .auto:
            recompute = Double(bytes(.none)) <= Double(availableByteCount) * Self.comfortableShare ? .none : .all
        }
        anonymousByteCount = bytes(recompute)
    }

    var lines: [String] {
        [
            "rows: \(rows) to train on with \(tokens) tokens, \(supervisedTokens) of them supervised; "
                + "\(evaluationRows) held out",
            "steps: \(steps); trainable parameters: \(trainableParameters)",
            "memory: \(ByteText.text(anonymousByteCount)) predicted beside the base's \(ByteText.text(baseByteCount)) "
                + "mapped from its files; \(ByteText.text(availableByteCount)) are available; activations are "
                + (recompute == .all ? "computed again (--recompute all)" : "kept (--recompute none)"),
        ] + omissions
    }

    var json: JSONValue {
        .object(
            JSONObject([
                ("rows", .integer(rows)), ("evaluation_rows", .integer(evaluationRows)), ("tokens", .integer(tokens)),
                ("supervised_tokens", .integer(supervisedTokens)), ("steps", .integer(steps)),
                ("trainable_parameters", .integer(trainableParameters)), ("recompute", .string(recompute.rawValue)),
                ("predicted_anonymous_bytes", .integer(anonymousByteCount)), ("base_bytes", .integer(baseByteCount)),
                ("available_bytes", .integer(availableByteCount)),
            ]))
    }

    /// Refuses a run that would not fit, before its memory is taken.
    func checkMemory() throws(Failure) {
        guard anonymousByteCount <= availableByteCount else {
            throw Failure(
                .unsupported,
                "the run needs \(ByteText.text(anonymousByteCount)) of memory and \(ByteText.text(availableByteCount)) "
                    + "are available",
                remedy: recompute == .all
                    ? "Lower --max-length, --batch-size or --rank"
                    : "Give --recompute all, or lower --max-length, --batch-size or --rank")
        }
    }
}
