internal import Adapters
internal import ArgumentParser
internal import Datasets
internal import DecoderModels
internal import Kernels
internal import ModelFiles
internal import System
internal import Training

/// `qlora train`: fine-tunes an adapter on a frozen base.
struct Train: VerbCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fine-tune an adapter on a frozen, usually quantized base.",
        discussion: """
            EXAMPLE:
              qlora train --model base-nf4 --data rows.jsonl -o run --epochs 3
            """)

    @Option(help: ArgumentHelp("The base: a model directory, quantized or not.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("Rows to train on; may be given several times.", valueName: "file"))
    var data: [String]

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Directory for the adapter and the run's records.", valueName: "dir"))
    var output: String

    @Flag(help: "Replace the run in the output directory. (default: refuse one that is not empty)")
    var overwrite = false

    @Flag(help: "Print what would be done and what memory it takes, and stop. (default: train)")
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
    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        let start = MonotonicClock.seconds
        Signals.install()
        let context = try common.computeContext(loop.compute)
        let directory = try ModelDirectory(model)
        let base = try DecoderModel.load(directory)
        let length = maxLength ?? min(1024, base.configuration.maximumPositions)
        let settings = try loop.settings(maximumLength: length)
        let data = try TrainingData.load(self, base, directory, length: length, seed: settings.seed)
        let (adapters, configuration) = try makeAdapter(base, directory, seed: settings.seed)
        base.attach(adapters, gradients: nil)
        let quote = try RunQuote(
            base, data, settings: settings, recompute: loop.recompute, adapters: adapters, context: context)
        for line in quote.lines { console.note(line) }
        if dryRun { return try console.result(json: quote.json, text: "Nothing was trained: --dry-run.") }
        try quote.checkMemory()

        let run = try RunDirectory(output, overwrite: overwrite)
        let trainer = try Trainer(
            model: base, adapters: adapters, rows: data.training, evaluationRows: data.evaluation, settings: settings,
            order: dataOrder, recompute: quote.recompute, context: context,
            interruption: { () throws(Failure) in try Interruption.check(directory) })
        var report = RunReport(self, base: base, directory: directory, quote: quote, context: context, start: start)
        let progress = console.progress("step", total: trainer.plan.totalSteps)
        do throws(Failure) {
            try trainer.run { (event) throws(Failure) in
                try run.append(event)
                report.record(event)
                progress.update(to: report.stepsDone, detail: report.detail)
                if let note = report.note(on: event, of: trainer.plan.totalSteps) { console.note(note) }
            }
        } catch {
            progress.finish()
            guard report.stepsDone > 0, error.kind != .inputOutput else { throw error }
            // What was learned up to the last whole step is kept.
            try AdapterDirectory.write(adapters, configuration: configuration, to: output)
            report.status = "stopped after step \(report.stepsDone): \(error.what)"
            try run.write(try report.json())
            throw error
        }
        progress.finish()
        try AdapterDirectory.write(adapters, configuration: configuration, to: output)
        let record = try report.json()
        try run.write(record)
        try console.result(json: record, text: report.summary(output: output))
    }

    /// The adapter of the options: fresh, or that of `--init-adapter`.
    private func makeAdapter(_ base: DecoderModel, _ directory: ModelDirectory, seed: UInt64) throws
        -> (AdapterSet, AdapterConfiguration)
    {
        let name = adapter.baseName ?? directory.originalName
        return try AdapterFactory(adapter, baseName: name).make(base, seed: seed)
    }
}
