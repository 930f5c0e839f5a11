internal import ArgumentParser
internal import ChatTemplates
internal import DecoderModels
internal import Kernels
internal import ModelFiles
internal import System
internal import Tokenizers

/// Which model continues a text, for every verb that generates.
struct GeneratingModelOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The model directory, quantized or not.", valueName: "dir"))
    var model: String

    @Option(help: ArgumentHelp("A PEFT adapter directory. (default: none)", valueName: "dir"))
    var adapter: String?

    @Option(help: "Type of products with the weights and in attention: auto, float32 or bfloat16.")
    var compute = ComputeChoice.auto

    @OptionGroup(title: "Sampling") var sampling: SamplingOptions
    @OptionGroup(title: "Chat") var template: ChatTemplateOptions
}

/// A model that is ready to continue texts.
struct GeneratingModel {
    let directory: ModelDirectory
    let model: DecoderModel
    let tokenizer: TokenizerDirectory
    private let context: ComputeContext
    private let options: GeneratingModelOptions
    private(set) var settings: SamplerSettings
    /// Texts that end a generation.
    private(set) var stops: [String]

    /// Loads the model with its adapter.
    init(_ options: GeneratingModelOptions, _ common: CommonOptions) throws {
        try options.sampling.checkLength()
        context = try common.computeContext(options.compute)
        directory = try ModelDirectory(options.model)
        model = try DecoderModel.load(directory)
        tokenizer = try TokenizerDirectory.load(directory.path)
        if let adapter = options.adapter { try model.attach(adapterDirectory: adapter) }
        settings = try options.sampling.settings(directory, model.configuration, tokenizer)
        stops = options.sampling.stop
        self.options = options
    }

    /// What makes prompts of conversations; what ends a turn of its template ends a generation from now on.
    ///
    /// - Throws: `usage` where there is no chat template.
    mutating func conversations() throws(Failure) -> ConversationEncoder {
        let renderer = try options.template.requiredRenderer(
            model: directory.path, adapter: options.adapter, tokens: tokenizer)
        let encoder = ConversationEncoder(renderer, tokenizer.tokenizer)
        let ending = encoder.turnEnding()
        if let id = ending.id { settings.stopIDs.insert(id) }
        if let text = ending.text { stops.append(text) }
        return encoder
    }

    /// Continues a prompt.
    ///
    /// - Parameter show: takes text as it becomes certain.
    /// - Returns: the generation and its text.
    /// - Throws: `badData` for ids that the model has no embedding for; `interrupted` where a signal came.
    func run(_ prompt: [Int32], show: (String) throws(Failure) -> Void) throws(Failure) -> (Generator.Result, String) {
        if let id = prompt.first(where: { Int($0) >= model.configuration.vocabularySize }) {
            throw Failure(
                .badData,
                "the tokenizer gives the id \(id), outside the model's vocabulary of \(model.configuration.vocabularySize)",
                at: .init(file: options.model), remedy: "Use the tokenizer that belongs to the model")
        }
        let length = prompt.count + options.sampling.maxTokens
        try model.configuration.requireLength(length) {
            "The prompt has \(prompt.count) of them: give --max-tokens \(max(0, $0 - prompt.count)) or less, or a shorter "
                + "prompt"
        }
        let generator = Generator(
            model, prompt: prompt, maximumTokens: options.sampling.maxTokens, context: context)
        var writer = ContinuationWriter(tokenizer.tokenizer, stops: stops, prompt: prompt)
        let result = try generator.run(try Sampler(settings)) { (id) throws(Failure) in
            try Interruption.check(directory)
            let piece = writer.add(id)
            try show(piece.text)
            return !piece.isStopped
        }
        try show(writer.finish())
        try Interruption.check(directory)
        return (result, writer.text)
    }
}
