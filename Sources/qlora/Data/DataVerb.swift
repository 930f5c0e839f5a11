internal import ArgumentParser
internal import ChatTemplates
internal import Datasets
internal import DecoderModels
internal import ModelFiles
internal import System
internal import Tokenizers

/// `qlora data`: what `train` would make of rows, without training.
struct DataVerb: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Check rows or show them as they would be trained on.",
        discussion: """
            check reads every row as train does and tells formats, lengths, what is left out, and how the masks of \
            conversations were made. preview shows rows with what is supervised marked: in colour on a terminal, between \
            ⟦ and ⟧ elsewhere; the template's own text in it is cyan, or between ‹ and ›.

            EXAMPLE:
              qlora data check --model base-nf4 --data rows.jsonl
              qlora data preview --model base-nf4 --data rows.jsonl --rows 3
            """)

    enum Action: String, CaseIterable, ExpressibleByArgument {
        case check, preview
    }

    @Argument(help: "What to do: check or preview.")
    var action: Action

    @Option(help: ArgumentHelp("The model directory.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("Rows to read; may be given several times.", valueName: "file"))
    var data: [String]

    @Option(help: ArgumentHelp("Rows to show.", valueName: "n"))
    var rows = 5

    @Option(
        help: ArgumentHelp("Most tokens of a row. (default: 1024, or the model's positions if fewer)", valueName: "n"))
    var maxLength: Int?

    @Option(help: "What happens to a row with more tokens: error, truncate, drop or split.")
    var overlong = OverlongRule.error

    @OptionGroup(title: "Data") var options: DataOptions
    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        Signals.install()
        try OptionValue.require(rows >= 1, "--rows", rows, "1 or more")
        let directory = try ModelDirectory(model)
        let reader = ConfigurationReader(fields: directory.configuration, file: directory.configurationFile)
        let configuration = try Architectures.configuration(reader)
        let encoder = try RowEncoder.forModel(directory, configuration, options)
        let length = maxLength ?? min(1024, configuration.maximumPositions)
        try configuration.requireLength(length) { "Give --max-length \($0) or less" }
        let dataset = try options.datasetOptions(LengthRule(maximumLength: length, overlong: overlong))
        switch action {
        case .check:
            var report = DataReport(maximumLength: length)
            let summary = try Dataset.forEachRow(files: data, options: dataset, encoder: encoder) {
                (row) throws(Failure) in
                report.add(row)
            }
            try console.result(json: report.json(summary), text: report.text(summary))
        case .preview:
            let tokenizer = try TokenizerDirectory.load(directory.path).tokenizer
            let preview = RowPreview(tokenizer, inColour: StandardStreams.isTerminal(1) && !console.isJSON)
            var shown: [JSONValue] = [], count = 0
            _ = try Dataset.forEachRow(files: data, options: dataset, encoder: encoder, limit: rows) {
                (row) throws(Failure) in
                count += 1
                if console.isJSON {
                    shown.append(preview.json(row, file: data[row.sourceFile]))
                } else {
                    try console.write(preview.text(row, number: count, file: data[row.sourceFile]))
                }
            }
            if console.isJSON { try console.result(json: .object(JSONObject([("rows", .array(shown))])), text: "") }
        }
    }
}
