internal import ArgumentParser
internal import Datasets
internal import DecoderModels
internal import Kernels
internal import Measurement
internal import ModelFiles
internal import System
internal import Training

/// The work of one process of `measure`; not for people. Results are a JSON document on standard output. The process
/// ends when its standard input does.
///
/// * with `--train`: `train` with these arguments;
/// * with `--reference`: the differences of two models over the rows, both mapped;
/// * else: losses, memory and speed of one model over the rows, and nothing else in the process.
struct MeasureTask: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure-task", abstract: "A process of measure.", shouldDisplay: false)

    @Option(parsing: .unconditionalSingleValue, help: "An argument of train. (default: none)")
    var train: [String] = []
    @Option(help: "(default: none)") var model: String?
    @Option(help: "(default: none)") var adapter: String?
    @Option(help: "(default: none)") var reference: String?
    @Option(help: "(default: none)") var referenceAdapter: String?
    @Option(help: "(default: none)") var rows: String?
    @Option var maxLength = 1024
    @Option var compute = ComputeChoice.auto
    @OptionGroup var common: CommonOptions

    func run(console: Console) throws {
        ChildProcess.endWithParent()
        Signals.install()
        guard train.isEmpty else { return try Train.parse(train).run(console: console) }
        guard let model, let rows else { throw ValidationError("--model and --rows are expected.") }
        let context = try common.computeContext(compute)
        let directory = try ModelDirectory(model)
        let base = try DecoderModel.load(directory)
        if let adapter { try base.attach(adapterDirectory: adapter) }
        let encoder = RowEncoder(nil, vocabularySize: base.configuration.vocabularySize)
        let data = try Dataset.load(files: [rows], options: DatasetOptions(), encoder: encoder).rows
        let document =
            if let reference {
                try compare(base, directory, with: reference, data, context)
            } else {
                try score(base, directory, data, context)
            }
        try console.result(json: document, text: JSONWriter.compact.string(document))
    }

    private func score(
        _ base: DecoderModel, _ directory: ModelDirectory, _ data: [TrainingRow], _ context: ComputeContext
    ) throws -> JSONValue {
        let scorer = RowScorer(base, rows: data, limit: maxLength, context: context)
        var losses: [Double] = [], tokens: [Int] = []
        var anonymous = 0, file = 0
        let start = MonotonicClock.seconds
        try scorer.run(interruption: { () throws(Failure) in try Interruption.check(directory) }) { (_, row) in
            losses.append(row.reduce(0) { $0 + Double($1) })
            tokens.append(row.count)
            let usage = MemoryProbe.usage()
            anonymous = max(anonymous, usage.anonymous)
            file = max(file, usage.file)
        }
        let seconds = MonotonicClock.seconds - start
        try Interruption.check(directory)
        return ScoredRun(
            losses: losses, tokens: tokens, processedTokenCount: data.reduce(0) { $0 + $1.ids.count }, seconds: seconds,
            baseByteCount: base.storage.byteCount, peakResidentByteCount: MemoryProbe.usage().peakResident,
            anonymousByteCount: anonymous, fileByteCount: file
        ).json
    }

    private func compare(
        _ base: DecoderModel, _ directory: ModelDirectory, with path: String, _ data: [TrainingRow],
        _ context: ComputeContext
    ) throws -> JSONValue {
        let other = try ModelDirectory(path)
        let reference = try DecoderModel.load(other)
        if let referenceAdapter { try reference.attach(adapterDirectory: referenceAdapter) }
        let comparison = try ModelComparison(
            reference: reference, candidate: base, rows: RowScorer.windows(of: data, limit: maxLength), context: context
        )
        var sums: [JSONValue] = []
        try comparison.run(
            interruption: { () throws(Failure) in
                try Interruption.check(directory)
                try Interruption.check(other)
            }
        ) { (_, row) in sums.append(row.json) }
        return .array(sums)
    }
}
