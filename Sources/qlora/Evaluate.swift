internal import Adapters
internal import ArgumentParser
internal import Datasets
internal import DecoderModels
internal import Kernels
internal import Measurement
internal import ModelFiles
internal import System
internal import Tensors
internal import Training

/// `qlora evaluate`: the loss of rows under a model, with or without an adapter.
struct Evaluate: VerbCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure loss and perplexity of rows under a model.",
        discussion: """
            EXAMPLE:
              qlora evaluate --model base-nf4 --adapter run --data held-out.jsonl
            """)

    /// What `--task` measures.
    enum EvaluationTask: String, CaseIterable, ExpressibleByArgument {
        case perplexity
    }

    /// Which tokens of a row count.
    enum Scope: String, CaseIterable, ExpressibleByArgument {
        case supervised, all
    }

    @Option(help: ArgumentHelp("The model directory, quantized or not.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("A PEFT adapter directory. (default: none)", valueName: "dir"))
    var adapter: String?

    @Option(help: ArgumentHelp("Rows to score; may be given several times.", valueName: "file"))
    var data: [String]

    @Option(help: "What is measured: perplexity.")
    var task = EvaluationTask.perplexity

    @Option(help: "Type of products with the weights and in attention: auto, float32 or bfloat16.")
    var compute = ComputeChoice.auto

    @Option(
        help: ArgumentHelp(
            "Most tokens seen at once; longer rows are scored in rolling windows. (default: the model's positions)",
            valueName: "n"))
    var maxLength: Int?

    @Option(help: "Tokens that count: supervised (what train would supervise) or all.")
    var score = Scope.supervised

    @Option(
        help: ArgumentHelp(
            "Write each row's ids and log-probabilities to a file of JSON lines. (default: no)", valueName: "file"))
    var perToken: String?

    @Option(
        help: ArgumentHelp(
            "Write the logits of every scored position to a safetensors file, a tensor row.N [T, V] for each row that "
                + "is not windowed. (default: no)", valueName: "file"))
    var logits: String?

    @Option(
        help: ArgumentHelp(
            "A model directory, the unquantized one say, to compare with: KL divergence from its distributions, top-1 "
                + "agreement and difference of the losses. (default: none)", valueName: "dir"))
    var compareTo: String?

    @OptionGroup(title: "Data") var rows: DataOptions
    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        Signals.install()
        let context = try common.computeContext(compute)
        let directory = try ModelDirectory(model)
        let base = try DecoderModel.load(directory)
        if let adapter {
            try base.attach(adapterDirectory: adapter)
        }
        let limit = maxLength ?? base.configuration.maximumPositions
        try base.configuration.requireLength(limit) { "Give --max-length \($0) or less" }
        try OptionValue.requireLength(limit)
        var dataset = try Dataset.load(
            files: data, options: try rows.datasetOptions(LengthRule(maximumLength: nil)),
            encoder: try RowEncoder.forModel(directory, base.configuration, rows, adapter: adapter))
        if score == .all { for index in dataset.rows.indices { dataset.rows[index].labels = dataset.rows[index].ids } }
        for line in TrainingData.omissions(dataset.summary) { console.warn(line) }
        let scorer = RowScorer(base, rows: dataset.rows, limit: limit, context: context)
        if scorer.windowedRowCount > 0 {
            console.note(
                "\(scorer.windowedRowCount) rows are longer than \(limit) tokens and scored in rolling windows")
        }
        var summary = EvaluationSummary()
        var perTokenLines = try perToken.map { try LineFile($0) }
        var collector = logits.map { _ in LogitsCollector(base.configuration.vocabularySize) }
        let progress = console.progress("row", total: dataset.rows.count)
        try scorer.run(
            interruption: { () throws(Failure) in try Interruption.check(directory) },
            logits: logits == nil ? nil : { matrix, row, positions in collector?.add(matrix, row, positions) }
        ) { (row, losses) throws(Failure) in
            summary.add(losses, textByteCount: dataset.rows[row].textByteCount)
            try perTokenLines?.append(Self.perTokenLine(row, dataset.rows[row], losses))
            progress.update(to: row + 1)
        }
        try Interruption.check(directory)
        progress.finish()
        try perTokenLines?.commit()
        if let logits { try collector?.write(to: logits) }
        var document = json(summary, windowed: scorer.windowedRowCount), lines = [text(summary)]
        if let compareTo {
            let comparison = try comparison(
                base, directory, with: compareTo, rows: dataset.rows, limit: limit, context, console)
            for (key, estimate) in comparison.members { document.set(key, estimate.json) }
            lines.append(comparison.text)
        }
        try console.result(json: .object(document), text: lines.joined(separator: "\n"))
    }

    /// Compares the model, its adapter included, with another one.
    private func comparison(
        _ base: DecoderModel, _ directory: ModelDirectory, with path: String, rows: [TrainingRow], limit: Int,
        _ context: ComputeContext, _ console: Console
    ) throws -> ComparisonSummary {
        let other = try ModelDirectory(path)
        let comparison = try ModelComparison(
            reference: try DecoderModel.load(other), candidate: base,
            rows: RowScorer.windows(of: rows, limit: limit), context: context)
        let progress = console.progress("compared row", total: rows.count)
        defer { progress.finish() }
        var sums: [ModelComparison.RowSums] = []
        try comparison.run(
            interruption: { () throws(Failure) in
                try Interruption.check(directory)
                try Interruption.check(other)
            }
        ) { (row, rowSums) throws(Failure) in
            sums.append(rowSums)
            progress.update(to: row + 1)
        }
        return ComparisonSummary(sums)
    }

    /// `{"row":0,"ids":[…],"logprobs":[null,…]}`: natural logarithms, null for tokens that are not scored.
    private static func perTokenLine(_ index: Int, _ row: TrainingRow, _ losses: [Float]) -> JSONValue {
        var next = 0
        let logprobs: [JSONValue] = row.labels.indices.map { token in
            guard token > 0, row.labels[token] != TrainingRow.ignored else { return .null }
            defer { next += 1 }
            return .double(-Double(losses[next]))
        }
        return .object(
            JSONObject([
                ("row", .integer(index)), ("ids", .array(row.ids.map { .integer(Int($0)) })),
                ("logprobs", .array(logprobs)),
            ]))
    }

    private func json(_ summary: EvaluationSummary, windowed: Int) -> JSONObject {
        JSONObject([
            ("task", .string(task.rawValue)), ("rows", .integer(summary.rowCount)),
            ("tokens", .integer(summary.tokenCount)), ("loss", .double(summary.loss)),
            ("loss_stderr", summary.standardError.map { .double($0) } ?? .null),
            ("perplexity", .double(summary.perplexity)),
            ("bits_per_byte", summary.bitsPerByte.map { .double($0) } ?? .null),
            ("windowed_rows", .integer(windowed)),
        ])
    }

    private func text(_ summary: EvaluationSummary) -> String {
        var line = "loss \(NumberText.fixed(summary.loss, digits: 4))"
        if let error = summary.standardError { line += " ± \(NumberText.fixed(error, digits: 4))" }
        line += ", perplexity \(NumberText.fixed(summary.perplexity, digits: 3))"
        if let bits = summary.bitsPerByte { line += ", \(NumberText.fixed(bits, digits: 4)) bits per byte" }
        return line + " over \(summary.tokenCount) tokens of \(summary.rowCount) rows"
    }
}
