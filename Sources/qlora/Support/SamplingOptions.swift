internal import ArgumentParser
internal import DecoderModels
internal import ModelFiles
internal import System
internal import Tokenizers

/// How the next token is chosen, for every verb that generates.
struct SamplingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Most tokens to generate.", valueName: "n"))
    var maxTokens = 256

    @Option(
        help: ArgumentHelp(
            "Divides the logits; 0 is greedy. (default: the model's generation_config.json, else 0)", valueName: "t"))
    var temperature: Double?

    @Option(
        help: ArgumentHelp(
            "Sample from the k likeliest tokens; 0 is off. (default: the model's generation_config.json, else 50)",
            valueName: "k"))
    var topK: Int?

    @Option(
        help: ArgumentHelp(
            "Sample from the likeliest tokens that have this share together. (default: the model's "
                + "generation_config.json, else 1)", valueName: "p"))
    var topP: Double?

    @Option(
        help: ArgumentHelp(
            "Drop tokens below this share of the likeliest one's probability. (default: the model's "
                + "generation_config.json, else 0)", valueName: "p"))
    var minP: Double?

    @Option(
        help: ArgumentHelp(
            "Makes tokens that occurred less likely; 1 is off. (default: the model's generation_config.json, else 1)",
            valueName: "x"))
    var repetitionPenalty: Double?

    @Option(help: ArgumentHelp("Seed of the sampling.", valueName: "n"))
    var seed: UInt64 = 42

    @Option(
        help: ArgumentHelp(
            "Text that ends the generation; may be given several times. (default: none)", valueName: "text"))
    var stop: [String] = []

    /// - Throws: `usage` for a number of tokens out of range.
    func checkLength() throws(Failure) {
        try OptionValue.require(1...1 << 20 ~= maxTokens, "--max-tokens", maxTokens, "a number from 1 to 1048576")
    }

    /// The model's own settings with the options over them; end tokens are those of generation_config.json, else those
    /// of config.json, else that of the tokenizer.
    func settings(
        _ directory: ModelDirectory, _ configuration: DecoderConfiguration, _ tokenizer: TokenizerDirectory
    ) throws(Failure) -> SamplerSettings {
        var settings = try SamplerSettings(
            generationConfiguration: directory.generationConfiguration ?? JSONObject(),
            file: FileSystem.join(directory.path, "generation_config.json"))
        settings.temperature = temperature ?? settings.temperature
        settings.topK = topK ?? settings.topK
        settings.topP = topP ?? settings.topP
        settings.minP = minP ?? settings.minP
        settings.repetitionPenalty = repetitionPenalty ?? settings.repetitionPenalty
        settings.seed = seed
        if settings.stopIDs.isEmpty { settings.stopIDs = Set(configuration.endTokens.map { Int32($0) }) }
        if settings.stopIDs.isEmpty { settings.stopIDs = Set(tokenizer.endTokenIDs) }
        try settings.validate()
        return settings
    }
}
