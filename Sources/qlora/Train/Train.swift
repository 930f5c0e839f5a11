internal import Adapters
internal import ArgumentParser
internal import Datasets
internal import DecoderModels
internal import Kernels
internal import ModelFiles
internal import System
internal import Training

/// `qlora train`: fine-tunes an adapter on a frozen base.
struct Train: ConfigurableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fine-tune an adapter on a frozen, usually quantized base.",
        discussion: """
            EXAMPLE:
              qlora train --model base-nf4 --data rows.jsonl -o run --epochs 3
              qlora train --config run.yaml --learning-rate 1e-4
            """)

    @Option(help: ArgumentHelp("The base: a model directory, quantized or not.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("Rows to train on; may be given several times.", valueName: "file"))
    var data: [String]

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Directory for the adapter and the run's records.", valueName: "dir"))
    var output: String

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "Print what would be done and what memory it takes, and stop.")
    var dryRun = false

    @Option(help: ArgumentHelp("Rows to evaluate on. (default: what --eval-split takes)", valueName: "file"))
    var evalData: [String] = []

    @Option(
        help: ArgumentHelp(
            "Share of the rows held out for evaluation, at most 200; 0 holds none out.", valueName: "share"))
    var evalSplit = 0.05

    @Option(
        help: ArgumentHelp("Most tokens of a row. (default: 1024, or the model's positions if fewer)", valueName: "n"))
    var maxLength: Int?

    @Option(help: "What happens to a row with more tokens: error, truncate, drop or split.")
    var overlong = OverlongRule.error

    @Option(help: "Order of the rows: shuffled (anew each epoch) or sequential.")
    var dataOrder = DataOrder.shuffled

    @OptionGroup(title: "Data") var rows: DataOptions
    @OptionGroup(title: "Adapter") var adapter: AdapterOptions
    @OptionGroup(title: "Loop") var loop: LoopOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions
    @OptionGroup(title: "Saving") var saving: SavingOptions
    @OptionGroup(title: "Configuration file") var file: ConfigurationOptions
    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        let start = MonotonicClock.seconds
        Signals.install()
        let opening = try saving.opening()
        let cadence = try SaveCadence(option: saving.saveEvery)
        if !dryRun { try RunDirectory.check(output, opening) }
        let context = try common.computeContext(loop.compute)
        let directory = try ModelDirectory(model)
        let base = try DecoderModel.load(directory)
        let length = maxLength ?? min(1024, base.configuration.maximumPositions)
        try base.configuration.requireLength(length) { "Give --max-length \($0) or less" }
        var settings = try loop.settings(maximumLength: length)
        settings.routerLossCoefficient = try loop.routerLossCoefficient(base.configuration)
        var verb = self
        if opening == .resume, rows.chat.templateDate == nil {
            verb.rows.chat.templateDate = try ChatRecord.date(of: output)
        }
        let data = try TrainingData.load(verb, base, directory, length: length, seed: settings.seed)
        let limits = try self.limits.limits(
            start: start, evaluates: settings.evaluateEvery > 0 && !data.evaluation.isEmpty)
        let (adapters, configuration) = try makeAdapter(base, directory, seed: settings.seed)
        base.attach(adapters, gradients: nil)
        let quote = try RunQuote(
            base, data, settings: settings, recompute: loop.recompute, adapters: adapters, context: context)
        for line in quote.lines { console.note(line) }
        if dryRun { return try console.result(json: quote.json, text: "Nothing was trained: --dry-run.") }
        try quote.checkMemory()
        let facts = try RunFacts(
            self, model: base, directory: directory, rows: data, settings: settings, context: context)
        try Interruption.check(directory)

        let run = try RunDirectory(output, opening)
        let trainer = try Trainer(
            model: base, adapters: adapters, rows: data.training, evaluationRows: data.evaluation, settings: settings,
            order: dataOrder, recompute: quote.recompute, context: context,
            interruption: { () throws(Failure) in try Interruption.check(directory) })
        let session = try TrainingSession(
            self, run: run, trainer: trainer, facts: facts, quote: quote, configuration: configuration,
            cadence: cadence, limits: limits, context: context, start: start, console: console)
        // Not before the session knows that the run is the same one.
        if let renderer = data.chatRenderer { try ChatRecord.write(renderer, to: output) }
        let record = try session.complete()
        try console.result(json: record, text: session.report.summary(output: output))
    }

    /// The adapter of the options: fresh, or that of `--init-adapter`.
    private func makeAdapter(_ base: DecoderModel, _ directory: ModelDirectory, seed: UInt64) throws
        -> (AdapterSet, AdapterConfiguration)
    {
        let name = adapter.baseName ?? directory.originalName
        return try AdapterFactory(adapter, baseName: name).make(base, seed: seed)
    }
}
