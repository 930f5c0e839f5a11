internal import ArgumentParser
internal import Datasets
internal import Kernels
internal import Measurement
internal import ModelFiles
internal import System

/// `qlora measure`: what storing a model in fewer bits saves in memory and costs in accuracy.
struct Measure: ConfigurableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure what fewer bits save in memory and cost in accuracy.",
        discussion: """
            For every format and block size the model is quantized, and a process of its own scores the rows with it: \
            loss, peak memory, speed. Another one compares its distributions with the unquantized model's. With \
            --ranks every one of them, the unquantized model too, is also fine-tuned on the same rows in the same steps \
            and scored again. DIR holds report.json and report.html. Nothing is read from the network, and the model is \
            not changed.

            EXAMPLE:
              qlora measure --model SmolLM2-135M --data held-out.jsonl -o study
              qlora measure --model SmolLM2-135M --data rows.jsonl -o study --formats int8,nf4+dq --ranks 0,8 --max-steps 100
            """)

    @Option(help: ArgumentHelp("The model directory, not quantized.", valueName: "dir"))
    var model: String

    @Option(
        help: ArgumentHelp(
            "Rows to score; with a rank above 0 and no --train-data, what --eval-split takes of them is scored and the "
                + "rest trained on. May be given several times.", valueName: "file"))
    var data: [String]

    @Option(name: .shortAndLong, help: ArgumentHelp("Directory for the reports.", valueName: "dir"))
    var output: String

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "Replace the reports in the output directory; one that is not empty is refused else.")
    var overwrite = false

    @Option(
        help: ArgumentHelp(
            "Formats, separated by commas; +dq quantizes the scales too. none is always measured: the others are "
                + "compared with it.", valueName: "list"))
    var formats = CommaList<String>("none,int8,nf4,nf4+dq,fp4,int4")

    @Option(help: ArgumentHelp("Block sizes, separated by commas.", valueName: "list"))
    var blockSizes = CommaList<Int>("64")

    @Option(
        help: ArgumentHelp(
            "Ranks, separated by commas: 0 scores a format as it is, any other after training an adapter of that rank.",
            valueName: "list"))
    var ranks = CommaList<Int>("0")

    @Option(
        help: ArgumentHelp(
            "Rows to train on, for ranks above 0. (default: the part of --data that is not scored)", valueName: "file"))
    var trainData: [String] = []

    @Option(
        help: ArgumentHelp(
            "Share of --data that is scored where the rest is trained on, at most 200 rows.", valueName: "share"))
    var evalSplit = 0.05

    @Option(
        help: ArgumentHelp(
            "Most tokens of a training row, and most tokens seen at once: longer rows are scored in rolling windows. "
                + "(default: 1024, or the model's positions if fewer)", valueName: "n"))
    var maxLength: Int?

    @Option(help: "What happens to a training row with more tokens: error, truncate, drop or split.")
    var overlong = OverlongRule.error

    @Option(help: ArgumentHelp("The adapters' product is scaled by alpha / rank.", valueName: "alpha"))
    var alpha = 32.0

    @Option(help: ArgumentHelp("Linears that are adapted, as in train.", valueName: "selection"))
    var targets = "all-linear"

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "Keep the quantized models and the adapters, in DIR/models.")
    var keepModels = false

    @OptionGroup(title: "Data") var rows: DataOptions
    @OptionGroup(title: "Loop (of the training for ranks above 0)") var loop: LoopOptions
    @OptionGroup(title: "Configuration file") var file: ConfigurationOptions
    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        Signals.install()
        let context = try common.computeContext(loop.compute)
        let formats = try MeasuredFormat.all(named: formats.elements, blockSizes: blockSizes.elements)
        try checkRanks()
        let directory = try ModelDirectory(model)
        try checkUnquantized(directory)
        let data = try MeasuredData.load(self, directory)
        for line in data.omissions { console.warn(line) }
        let folder = try MeasureFolder(output, overwrite: overwrite)
        let study = try MeasureStudy(self, directory, data, folder: folder, context: context, console: console)
        let rows = try study.run(formats)
        let report = try MeasureReport(self, directory, data, rows: rows, context: context)
        try folder.commit(report, keepsModels: keepModels)
        try console.result(json: report.json, text: report.text + "\n\(FileSystem.join(output, "report.html"))")
    }

    private func checkRanks() throws(Failure) {
        for rank in ranks.elements where !(0...4096 ~= rank) {
            throw Failure(
                .usage, "--ranks names \(rank): numbers from 0 to 4096 are expected", remedy: "Change --ranks")
        }
        guard loop.evalEvery == 0 else {
            throw Failure(
                .usage, "--eval-every is \(loop.evalEvery): measure scores only after the last step",
                remedy: "Leave --eval-every out")
        }
        guard trainData.isEmpty || trainsAdapters else {
            throw Failure(
                .usage, "--train-data is given, but no rank above 0", remedy: "Give --ranks 0,16, or leave it out")
        }
    }

    private func checkUnquantized(_ directory: ModelDirectory) throws(Failure) {
        let found: String
        switch directory.quantization {
        case .none: return
        case .bitsandbytes(let format), .blockwise(let format, _): found = format
        }
        throw Failure(
            .unsupported, "the model is quantized already, to \(found); measure compares formats with the original",
            at: .init(file: model), remedy: "Give the original checkpoint as --model")
    }

    /// Whether any adapter is trained.
    var trainsAdapters: Bool { ranks.elements.contains { $0 > 0 } }

    /// `--ranks` without repetitions, ascending.
    var rankOrder: [Int] { Set(ranks.elements).sorted() }
}

/// Values separated by commas: `64,256`.
struct CommaList<Element: LosslessStringConvertible & Sendable>: ExpressibleByArgument {
    let elements: [Element]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let elements = parts.compactMap { $0.isEmpty ? nil : Element($0) }
        guard elements.count == parts.count else { return nil }
        self.elements = elements
    }

    /// A list that this program writes itself.
    init(_ text: String) {
        guard let list = CommaList(argument: text) else { fatalError("\(text) is no list of its type") }
        self = list
    }

    var defaultValueDescription: String { text }
    var text: String { elements.map(\.description).joined(separator: ",") }
}
