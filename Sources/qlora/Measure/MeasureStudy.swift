internal import Kernels
internal import Measurement
internal import ModelFiles
internal import Quantization
internal import System
internal import Training

/// The rows of the table, measured one after the other: this process quantizes; all else runs in processes of its own.
struct MeasureStudy {
    private let verb: Measure
    private let source: ModelDirectory
    private let data: MeasuredData
    private let folder: MeasureFolder
    private let context: ComputeContext
    private let console: Console

    private var scoredRows: String { FileSystem.join(folder.work, "scored.jsonl") }
    private var trainingRows: String { FileSystem.join(folder.work, "training.jsonl") }

    init(
        _ verb: Measure, _ source: ModelDirectory, _ data: MeasuredData, folder: MeasureFolder, context: ComputeContext,
        console: Console
    ) throws(Failure) {
        self.verb = verb
        self.source = source
        self.data = data
        self.folder = folder
        self.context = context
        self.console = console
        try MeasuredData.write(data.scored, to: scoredRows)
        if !data.training.isEmpty { try MeasuredData.write(data.training, to: trainingRows) }
    }

    /// Measures every format at every rank.
    ///
    /// - Parameter formats: the unquantized model first.
    /// - Returns: the rows, by rank, then in the order of the formats.
    func run(_ formats: [MeasuredFormat]) throws -> [MeasuredRow] {
        let ranks = verb.rankOrder, bootstrap = PairedBootstrap(seed: verb.loop.seed)
        let progress = console.progress("measure", total: formats.count * ranks.count)
        defer { progress.finish() }
        var rows: [MeasuredRow] = []
        // By rank: what the unquantized model scored, and its adapter.
        var references: [Int: (run: ScoredRun, adapter: String?)] = [:]
        for format in formats {
            progress.update(to: rows.count, detail: "\(format.label): quantizing")
            let (model, size) = try stored(format)
            for rank in ranks {
                let name = format.label + (rank == 0 ? "" : ", rank \(rank)")
                var adapter: String?, training: TrainedRun?
                if rank > 0 {
                    progress.update(to: rows.count, detail: "\(name): training")
                    let path = FileSystem.join(folder.models, Self.fileName(format) + "-rank\(rank)")
                    training = try train(model, rank: rank, to: path, name)
                    adapter = path
                }
                progress.update(to: rows.count, detail: "\(name): scoring")
                let run = try score(model, adapter, name)
                var against: (run: ScoredRun, sums: [ModelComparison.RowSums])?
                if format == .none {
                    references[rank] = (run, adapter)
                } else if let reference = references[rank] {
                    progress.update(to: rows.count, detail: "\(name): comparing")
                    against = (reference.run, try compare(model, adapter, reference.adapter, name))
                }
                let row = MeasuredRow(
                    format: format, rank: rank, size: size, run: run, training: training, against: against,
                    bootstrap: bootstrap)
                rows.append(row)
                progress.update(to: rows.count)
                console.note(MeasureReport.note(row))
            }
            if format != .none, !verb.keepModels { try FileSystem.removeTree(model) }
        }
        return ranks.flatMap { rank in rows.filter { $0.rank == rank } }
    }

    /// `nf4+dq-64`
    private static func fileName(_ format: MeasuredFormat) -> String {
        format.name + (format.blockSize.map { "-\($0)" } ?? "")
    }

    /// The directory of the model in a format, made if it is not the model itself, and its size.
    private func stored(_ format: MeasuredFormat) throws -> (path: String, size: StoredSize) {
        guard let blockSize = format.blockSize else {
            let roles = try WeightRoles(source)
            let linears = try roles.linears.map { (module) throws(Failure) in
                try roles.checkpoint.requiredTensor(named: module + ".weight")
            }
            let tensors = source.checkpoint.tensorNames.compactMap(source.checkpoint.tensor(named:))
            func bits(_ tensors: [StoredTensor]) -> Double {
                Double(tensors.reduce(0) { $0 + $1.byteCount }) * 8
                    / Double(max(1, tensors.reduce(0) { $0 + $1.elementCount }))
            }
            return (
                source.path,
                StoredSize(
                    fileByteCount: Self.fileByteCount(source), bitsPerLinearWeight: bits(linears),
                    bitsPerParameter: bits(tensors))
            )
        }
        let path = FileSystem.join(folder.models, Self.fileName(format))
        let options = QuantizationOptions(
            format: format.format, blockSize: blockSize, isDoubleQuantized: format.isDoubleQuantized)
        let quantizer = try CheckpointQuantizer(source, options: options, kernels: context.kernels, pool: context.pool)
        let report = try quantizer.write(to: path).report
        let linears = report.tensors.filter(\.isQuantized)
        let weights = linears.reduce(0) { $0 + $1.shape.reduce(1, *) }
        return (
            path,
            StoredSize(
                fileByteCount: Self.fileByteCount(try ModelDirectory(path)),
                bitsPerLinearWeight: Double(linears.reduce(0) { $0 + $1.bytesAfter }) * 8 / Double(max(1, weights)),
                bitsPerParameter: report.bitsPerParameter)
        )
    }

    private static func fileByteCount(_ directory: ModelDirectory) -> Int {
        directory.checkpoint.files.reduce(0) { $0 + $1.file.byteCount }
    }

    // MARK: - Processes

    private func score(_ model: String, _ adapter: String?, _ name: String) throws -> ScoredRun {
        let document = try task(scoring(model, adapter), "scoring \(name)")
        guard let run = ScoredRun(document), run.losses.count == data.scored.count else {
            throw Self.unexpected("scoring \(name)")
        }
        return run
    }

    private func compare(_ model: String, _ adapter: String?, _ referenceAdapter: String?, _ name: String) throws
        -> [ModelComparison.RowSums]
    {
        var arguments = scoring(model, adapter) + ["--reference", source.path]
        if let referenceAdapter { arguments += ["--reference-adapter", referenceAdapter] }
        let document = try task(arguments, "comparing \(name)")
        let sums = (document.array ?? []).compactMap(ModelComparison.RowSums.init)
        guard sums.count == data.scored.count else { throw Self.unexpected("comparing \(name)") }
        return sums
    }

    private func scoring(_ model: String, _ adapter: String?) -> [String] {
        var arguments = [
            "--model", model, "--rows", scoredRows, "--max-length", "\(data.length)", "--compute",
            context.computeType.rawValue, "--threads", "\(context.pool.threadCount)",
        ]
        if let adapter { arguments += ["--adapter", adapter] }
        return arguments
    }

    private func train(_ model: String, rank: Int, to path: String, _ name: String) throws -> TrainedRun {
        var arguments = [
            "--model", model, "--data", trainingRows, "-o", path, "--eval-split", "0", "--rank", "\(rank)", "--alpha",
            "\(verb.alpha)", "--targets", verb.targets, "--max-length", "\(data.length)", "--threads",
            "\(context.pool.threadCount)", "--json", "--quiet",
        ]
        arguments += verb.loop.trainArguments(compute: context.computeType.rawValue)
        let result = try task(arguments.flatMap { ["--train", $0] }, "training \(name)")["result"]
        let weights = FileSystem.join(path, "adapter_model.safetensors")
        guard let steps = result?["steps"]?.integer, let file = FileSystem.status(weights) else {
            throw Self.unexpected("training \(name)")
        }
        return TrainedRun(
            steps: steps, finalLoss: result?["final_loss"]?.double ?? .nan,
            seconds: result?["seconds"]?.double ?? .nan,
            peakResidentByteCount: result?["peak_rss_bytes"]?.integer ?? 0, adapterByteCount: file.byteCount)
    }

    /// Runs `measure-task` and reads its document.
    ///
    /// - Throws: what the process said, with its exit status; 130 or 143 where a signal came.
    private func task(_ arguments: [String], _ what: String) throws(Failure) -> JSONValue {
        try Signals.throwIfInterrupted()
        let errorFile = FileSystem.join(folder.work, "errors")
        let result = try ChildProcess.run(
            ["measure-task", "--json"] + arguments, errorFile: errorFile, pendingSignal: { Signals.pending })
        try Signals.throwIfInterrupted()
        guard result.status == 0 else {
            let said = try FileReader.readText(errorFile).split(separator: "\n").map(String.init)
            let prefix = "qlora: error: "
            let error = said.last { $0.hasPrefix(prefix) }?.dropFirst(prefix.count)
            throw Self.failure(status: result.status, what, said: error.map(String.init) ?? said.last)
        }
        return try JSONParser.parse(result.output)
    }

    private static func failure(status: Int32, _ what: String, said: String?) -> Failure {
        let kinds: [Failure.Kind] = [
            .usage, .badData, .inputMissing, .unsupported, .internalError, .cannotCreate, .inputOutput, .stoppedEarly,
        ]
        if let kind = kinds.first(where: { $0.exitStatus == status }), let said {
            return Failure(kind, "\(what) failed: \(said.hasSuffix(".") ? String(said.dropLast()) : said)")
        }
        let end = status > 128 ? "was ended by signal \(status - 128)" : "ended with status \(status)"
        return Failure(
            .inputOutput, "\(what) failed: its process \(end)\(said.map { ": \($0)" } ?? "")",
            remedy: "Check that memory suffices for it")
    }

    private static func unexpected(_ what: String) -> Failure {
        Failure(
            .internalError, "\(what) gave a document that measure does not know",
            remedy: "Please report it with the command line that led here")
    }
}

extension LoopOptions {
    /// The options as arguments of `train`, its product type decided.
    func trainArguments(compute: String) -> [String] {
        var arguments = [
            "--epochs", "\(epochs)", "--batch-size", "\(batchSize)", "--gradient-accumulation",
            "\(gradientAccumulation)", packing ? "--packing" : "--no-packing", "--learning-rate", "\(learningRate)",
            "--schedule", schedule, "--optimizer", optimizer, "--weight-decay", "\(weightDecay)", "--beta1", "\(beta1)",
            "--beta2", "\(beta2)", "--epsilon", "\(epsilon)", "--max-grad-norm", "\(maxGradNorm)", "--seed", "\(seed)",
            "--compute", compute, "--recompute", recompute.rawValue,
        ]
        if let routerAuxLossCoef { arguments += ["--router-aux-loss-coef", "\(routerAuxLossCoef)"] }
        if let maxSteps { arguments += ["--max-steps", "\(maxSteps)"] }
        if let warmupSteps { arguments += ["--warmup-steps", "\(warmupSteps)"] }
        if let warmupRatio { arguments += ["--warmup-ratio", "\(warmupRatio)"] }
        return arguments
    }
}
