internal import ChatTemplates
internal import Datasets
internal import Kernels
internal import System
internal import Training

/// The options of a run as they were in effect, under their names with underscores: `--config run.json` gives them to
/// another run.
///
/// Files stand without their folders, which are those of the machine; the base, the data and the output are not among
/// them, nor is what an invocation is about rather than a run (`--resume`, `--threads`, `--json`, …).
struct RecordedOptions {
    let json: JSONObject

    init(_ verb: Train, settings: TrainingSettings, rows: TrainingData, context: ComputeContext) {
        let loop = verb.loop, adapter = verb.adapter, data = verb.rows
        func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
        func integer(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }
        func double(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
        func file(_ path: String?) -> JSONValue { text(path.map(FileSystem.lastComponent)) }
        let routerLoss = settings.routerLossCoefficient > 0 ? settings.routerLossCoefficient : loop.routerAuxLossCoef
        json = JSONObject(
            [
                ("eval_data", .array(verb.evalData.map { file($0) })), ("eval_split", .double(verb.evalSplit)),
                ("max_length", .integer(settings.maximumLength)), ("overlong", .string(verb.overlong.rawValue)),
                ("data_order", .string(verb.dataOrder.rawValue)),
                ("data_format", text(data.format)), ("columns", text(data.columns)),
                ("bad_rows", .string(data.badRows.rawValue)), ("train_on", .string(data.trainOn.rawValue)),
                ("raw", .bool(data.raw)), ("chat_template", file(data.chat.chatTemplate)),
                ("template_args", rows.chatRenderer.map { .object($0.arguments) } ?? .null),
                ("template_date", text(rows.chatRenderer?.date.text)),
                ("rank", .integer(adapter.rank)), ("alpha", .double(adapter.alpha)),
                ("dropout", .double(adapter.dropout)), ("targets", .string(adapter.targets)),
                ("exclude", text(adapter.exclude)), ("layers", text(adapter.layers)), ("rslora", .bool(adapter.rslora)),
                ("init_adapter", file(adapter.initAdapter)), ("base_name", text(adapter.baseName)),
                ("epochs", .double(loop.epochs)), ("max_steps", integer(loop.maxSteps)),
                ("batch_size", .integer(settings.batchSize)),
                ("gradient_accumulation", .integer(settings.gradientAccumulation)),
                ("packing", .bool(settings.packing)), ("learning_rate", .double(loop.learningRate)),
                ("schedule", .string(loop.schedule)), ("warmup_steps", integer(loop.warmupSteps)),
                ("warmup_ratio", double(loop.warmupRatio)), ("optimizer", .string(loop.optimizer)),
                ("weight_decay", .double(loop.weightDecay)), ("beta1", .double(loop.beta1)),
                ("beta2", .double(loop.beta2)), ("epsilon", .double(loop.epsilon)),
                ("max_grad_norm", .double(loop.maxGradNorm)), ("router_aux_loss_coef", double(routerLoss)),
                ("seed", .number(JSONNumber(text: String(loop.seed)))),
                ("compute", .string(context.computeType.rawValue)), ("recompute", .string(loop.recompute.rawValue)),
                ("eval_every", .integer(settings.evaluateEvery)), ("save_every", .string(verb.saving.saveEvery)),
                ("keep", .integer(verb.saving.keep)),
            ] + verb.limits.json)
    }
}
