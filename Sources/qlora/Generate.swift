internal import ArgumentParser
internal import ChatTemplates
internal import DecoderModels
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
              qlora generate --model base-nf4 --adapter run --chat --prompt 'What is a river?'
            """)

    @Option(help: ArgumentHelp("The text to continue.", valueName: "text"))
    var prompt: String

    @Flag(help: "Make the prompt a message of the user, with the chat template. (default: continue it as it is)")
    var chat = false

    @OptionGroup var options: GeneratingModelOptions
    @OptionGroup(title: "Common") var common: CommonOptions

    func validate() throws {
        let template = options.template
        let given = [
            ("--chat-template", template.chatTemplate), ("--template-args", template.templateArgs),
            ("--template-date", template.templateDate),
        ]
        if !chat, let option = given.first(where: { $0.1 != nil })?.0 {
            throw ValidationError("\(option) is given without --chat, which applies the template. Add --chat.")
        }
    }

    func run(console: Console) throws {
        Signals.install()
        var model = try GeneratingModel(options, common)
        let ids: [Int32]
        if chat {
            let message = JSONObject([("role", .string("user")), ("content", .string(prompt))])
            ids = try model.conversations().prompt([.object(message)])
        } else {
            ids = model.tokenizer.tokenizer.encode(prompt, addSpecialTokens: true, controlText: .parse)
        }
        guard !ids.isEmpty else {
            throw Failure(
                .usage, chat ? "the chat template makes no text of the prompt" : "the prompt gives no tokens",
                remedy: chat ? "Use another template" : "Give some text with --prompt")
        }
        let positions = model.model.configuration.maximumPositions
        if ids.count > positions {
            console.warn("the prompt has \(ids.count) tokens, and the model was made for \(positions)")
        }
        if !console.isJSON, !chat { try console.write(prompt) }
        let (result, text) = try model.run(ids) { (piece) throws(Failure) in
            if !console.isJSON { try console.write(piece) }
        }
        guard console.isJSON else { return try console.write("\n") }
        try console.result(json: json(ids, result, text), text: "")
    }

    private func json(_ ids: [Int32], _ result: Generator.Result, _ text: String) -> JSONValue {
        .object(
            JSONObject([
                ("prompt_ids", .array(ids.map { .integer(Int($0)) })),
                ("ids", .array(result.ids.map { .integer(Int($0)) })), ("text", .string(text)),
                ("finish", .string(result.finish.rawValue)),
                ("prompt_tokens_per_second", .double(result.promptTokensPerSecond)),
                ("tokens_per_second", .double(result.tokensPerSecond)),
            ]))
    }
}
