internal import ArgumentParser

/// `--config`, for every verb whose options may come from a file.
struct ConfigurationOptions: ParsableArguments {
    static let optionName = "--config"

    @Option(
        help: ArgumentHelp(
            "Options from a file: YAML (JSON too) with long names as keys, as in `learning-rate: 1e-4`, `packing: false` "
                + "or `data: [a.jsonl, b.jsonl]`. The command line wins. A run.json gives the options of its run. Paths "
                + "are relative to the working directory. (default: none)",
            valueName: "file"))
    var config: String?
}

/// A verb whose options may come from a file.
protocol ConfigurableCommand: VerbCommand {
    var file: ConfigurationOptions { get }
}
