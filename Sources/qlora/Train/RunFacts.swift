internal import Datasets
internal import DecoderModels
internal import Kernels
internal import ModelFiles
internal import Quantization
internal import System
internal import Training

/// What a run depends on, gathered before its first step: for its records, and to know on resuming whether it is the
/// same run.
struct RunFacts {
    /// All options that make the run, as they are in effect.
    let options: JSONObject
    let base: JSONObject
    /// The data files, each with its SHA-256.
    let data: JSONValue
    let machine: JSONObject
    let identity: RunIdentity

    /// Reads the tokenizer and, where its quantization report does not vouch for them, the base's weights.
    init(
        _ verb: Train, model: DecoderModel, directory: ModelDirectory, rows: TrainingData, settings: TrainingSettings,
        context: ComputeContext
    ) throws(Failure) {
        options = RecordedOptions(verb, settings: settings, rows: rows, context: context).json
        let weights = JSONValue.string(try BaseIdentity.sha256(directory))
        base = JSONObject([
            ("name", directory.originalName.map { .string($0) } ?? .null),
            ("model_type", .string(model.configuration.modelType)), ("sha256", weights),
            ("formats", .object(JSONObject(model.storage.formats.map { ($0.name, .integer($0.byteCount)) }))),
        ])
        var inputs = JSONObject([
            ("base", weights), ("configuration", .string(try FileDigest.hex(directory.configurationFile))),
        ])
        for name in ["tokenizer.json", "tokenizer.model"] where directory.companionFiles.contains(name) {
            let bytes = try directory.readCompanion(name)
            inputs.set(name, .string(bytes.withUnsafeBytes { SHA256.hexadecimalDigest(of: $0) }))
        }
        data = DataFile.json(rows.files)
        inputs.set("data", .string(RunIdentity.digest(of: [rows.training, rows.evaluation])))
        let arithmetic: [(String, JSONValue)] = [
            ("instruction_set", .string(context.kernels.instructionSet.rawValue)),
            ("openblas_core", .string(Algebra.library.coreName)),
            ("openblas_version", .string(Algebra.library.version)),
        ]
        machine = JSONObject(
            [
                ("processor", .string(ProcessorInfo.current.modelName)),
                ("threads", .integer(context.pool.threadCount)),
            ] + arithmetic)
        identity = RunIdentity(
            options: Self.mathematics(verb, settings, ChatRecord.options(verb.rows, rows.chatRenderer)), inputs: inputs,
            machine: JSONObject(arithmetic + [("compute_type", .string(context.computeType.rawValue))]))
    }

    /// Options that change the numbers.
    private static func mathematics(
        _ verb: Train, _ settings: TrainingSettings, _ chat: [(String, JSONValue)]
    ) -> JSONObject {
        let loop = verb.loop, adapter = verb.adapter
        func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
        func integer(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }
        return JSONObject(
            [
                ("rank", .integer(adapter.rank)), ("alpha", .double(adapter.alpha)),
                ("dropout", .double(adapter.dropout)), ("targets", .string(adapter.targets)),
                ("exclude", text(adapter.exclude)), ("layers", text(adapter.layers)), ("rslora", .bool(adapter.rslora)),
                ("init_adapter", .bool(adapter.initAdapter != nil)), ("epochs", .double(loop.epochs)),
                ("max_steps", integer(loop.maxSteps)), ("rows_per_step", .integer(settings.rowsPerStep)),
                ("max_length", .integer(settings.maximumLength)), ("overlong", .string(verb.overlong.rawValue)),
                ("data_order", .string(verb.dataOrder.rawValue)), ("eval_split", .double(verb.evalSplit)),
                ("learning_rate", .double(loop.learningRate)), ("schedule", .string(loop.schedule)),
                ("warmup_steps", integer(loop.warmupSteps)),
                ("warmup_ratio", loop.warmupRatio.map { .double($0) } ?? .null), ("optimizer", .string(loop.optimizer)),
                ("weight_decay", .double(loop.weightDecay)), ("beta1", .double(loop.beta1)),
                ("beta2", .double(loop.beta2)),
                ("epsilon", .double(loop.epsilon)), ("max_grad_norm", .double(loop.maxGradNorm)),
                ("seed", .number(JSONNumber(text: String(loop.seed)))),
            ]
                + (settings.routerLossCoefficient > 0
                    ? [("router_aux_loss_coef", .double(settings.routerLossCoefficient))] : []) + chat)
    }
}
