internal import Adapters
internal import ArgumentParser
internal import DecoderModels
internal import Kernels
internal import ModelFiles
internal import System
internal import Tokenizers

/// `qlora generate`: continues a prompt.
struct Generate: VerbCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a prompt.",
        discussion: """
            Greedy unless the model's generation_config.json says do_sample or --temperature is above 0.

            EXAMPLE:
              qlora generate --model base-nf4 --adapter run --prompt 'Once upon a time' --max-tokens 100
            """)

    @Option(help: ArgumentHelp("The model directory, quantized or not.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("A PEFT adapter directory. (default: none)", valueName: "dir"))
    var adapter: String?

    @Option(help: ArgumentHelp("The text to continue.", valueName: "text"))
    var prompt: String

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

    @Option(help: "Type of products with the weights: auto, float32 or bfloat16.")
    var compute = ComputeChoice.auto

    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        Signals.install()
        guard 1...1 << 20 ~= maxTokens else {
            throw Failure(
                .usage, "--max-tokens is \(maxTokens): a number from 1 to 1048576 is expected",
                remedy: "Change --max-tokens")
        }
        let context = try common.computeContext(compute)
        let directory = try ModelDirectory(model)
        let base = try DecoderModel.load(directory)
        let tokenizer = try TokenizerDirectory.load(directory.path)
        if let adapter {
            try base.attach(adapterDirectory: adapter)
        }
        let sampler = try Sampler(try samplerSettings(directory, base.configuration, tokenizer))
        let ids = try promptIds(tokenizer, base.configuration)
        try base.configuration.requireLength(ids.count + maxTokens) {
            "The prompt has \(ids.count) of them: give --max-tokens \(max(0, $0 - ids.count)) or less, or a shorter prompt"
        }
        let generator = Generator(
            base, prompt: ids, maximumTokens: maxTokens, context: context)
        var writer = ContinuationWriter(tokenizer.tokenizer, stops: stop, prompt: ids)
        if !console.isJSON { try console.write(prompt) }
        let result = try generator.run(sampler) { (id) throws(Failure) in
            try Interruption.check(directory)
            let piece = writer.add(id)
            if !console.isJSON { try console.write(piece.text) }
            return !piece.isStopped
        }
        let rest = writer.finish()
        if !console.isJSON { try console.write(rest + "\n") }
        try Interruption.check(directory)
        guard console.isJSON else { return }
        try console.result(json: json(ids, result, writer), text: "")
    }

    private func promptIds(_ tokenizer: TokenizerDirectory, _ configuration: DecoderConfiguration) throws(Failure)
        -> [Int32]
    {
        let ids = tokenizer.tokenizer.encode(prompt, addSpecialTokens: true, controlText: .parse)
        guard !ids.isEmpty else {
            throw Failure(.usage, "the prompt gives no tokens", remedy: "Give some text with --prompt")
        }
        if let id = ids.first(where: { Int($0) >= configuration.vocabularySize }) {
            throw Failure(
                .badData,
                "the tokenizer gives the id \(id), outside the model's vocabulary of \(configuration.vocabularySize)",
                at: .init(file: model), remedy: "Use the tokenizer that belongs to the model")
        }
        return ids
    }

    /// The model's own settings with the options over them; end tokens are those of generation_config.json, else those
    /// of config.json, else that of the tokenizer.
    private func samplerSettings(
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

    private func json(_ ids: [Int32], _ result: Generator.Result, _ writer: ContinuationWriter) -> JSONValue {
        .object(
            JSONObject([
                ("prompt_ids", .array(ids.map { .integer(Int($0)) })),
                ("ids", .array(result.ids.map { .integer(Int($0)) })), ("text", .string(writer.text)),
                ("finish", .string(result.finish.rawValue)),
                ("prompt_tokens_per_second", .double(result.promptTokensPerSecond)),
                ("tokens_per_second", .double(result.tokensPerSecond)),
            ]))
    }
}
