internal import ArgumentParser
internal import ChatTemplates
internal import Datasets
internal import System

/// How rows are read, for every verb that takes `--data`.
struct DataOptions: ParsableArguments {
    @Option(
        name: .customLong("data-format"),
        help: ArgumentHelp(
            "Format of the rows: \(RowFormats.names.joined(separator: ", ")). (default: recognised by their keys)",
            valueName: "name"))
    var format: String?

    @Option(
        help: ArgumentHelp(
            "Columns that stand for the fields of a format, as in prompt=question,completion=answer. (default: the "
                + "fields' own names)", valueName: "mapping"))
    var columns: String?

    @Option(help: "What happens to a row that cannot be read: error or skip.")
    var badRows: BadRowRule = .error

    @Option(help: "What of a conversation is supervised: assistant, last (its last message) or all.")
    var trainOn: TrainOn = .assistant

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "Take prompts and completions as they are, without a chat template.")
    var raw = false

    @OptionGroup var chat: ChatTemplateOptions

    func validate() throws {
        if raw, chat.chatTemplate != nil {
            throw ValidationError("--raw and --chat-template exclude each other. Leave one of them out.")
        }
    }

    /// The options as the readers of data take them.
    func datasetOptions(_ length: LengthRule) throws(Failure) -> DatasetOptions {
        var options = DatasetOptions()
        if let format { options.format = try RowFormats.named(format) }
        if let columns { options.columns = try ColumnMapping(option: columns) }
        options.badRows = badRows
        options.length = length
        return options
    }
}

extension BadRowRule: ExpressibleByArgument {}
extension OverlongRule: ExpressibleByArgument {}
extension DataOrder: ExpressibleByArgument {}
