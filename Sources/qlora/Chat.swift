internal import ArgumentParser
internal import ChatTemplates
internal import DecoderModels
internal import System

/// `qlora chat`: a conversation in the terminal.
struct Chat: VerbCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a model in the terminal.",
        discussion: """
            Each line is a message; the answer appears as it is made. /reset forgets the conversation, /exit ends it. The \
            oldest messages are left out where the conversation grows beyond the model's positions.

            EXAMPLE:
              qlora chat --model base-nf4 --adapter run
            """)

    @Option(help: ArgumentHelp("What the system says first. (default: nothing)", valueName: "text"))
    var system: String?

    @OptionGroup var options: GeneratingModelOptions
    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        Signals.install()
        var model = try GeneratingModel(options, common)
        let encoder = try model.conversations()
        let isTerminal = StandardStreams.isTerminal(0) && !console.isJSON
        var history: [JSONValue] = [], turns: [JSONValue] = []
        var lines = InputLines()
        while true {
            if isTerminal { try console.write("> ") }
            guard let line = try lines.next() else { break }
            let text = String(decoding: line, as: UTF8.self)
            if text == "/exit" { break }
            if text == "/help" {
                console.note("/reset forgets the conversation, /exit ends it; any other line is a message")
                continue
            }
            if text == "/reset" {
                history = []
                continue
            }
            guard !text.allSatisfy(\.isWhitespace) else { continue }
            history.append(Self.message("user", text))
            let ids = try prompt(&history, encoder, positions: model.model.configuration.maximumPositions)
            let (_, answer) = try model.run(ids) { (piece) throws(Failure) in
                if !console.isJSON { try console.write(piece) }
            }
            if !console.isJSON { try console.write("\n") }
            history.append(Self.message("assistant", answer))
            turns += history.suffix(2)
        }
        guard console.isJSON else { return }
        try console.result(json: .object(JSONObject([("messages", .array(turns))])), text: "")
    }

    private static func message(_ role: String, _ content: String) -> JSONValue {
        .object(JSONObject([("role", .string(role)), ("content", .string(content))]))
    }

    /// The tokens of the conversation, the oldest question and answer dropped while it is too long.
    private func prompt(_ history: inout [JSONValue], _ encoder: ConversationEncoder, positions: Int) throws(Failure)
        -> [Int32]
    {
        while true {
            let messages = (system.map { [Self.message("system", $0)] } ?? []) + history
            let ids = try encoder.prompt(messages)
            if ids.count + options.sampling.maxTokens <= positions || history.count <= 2 { return ids }
            history.removeFirst(2)
        }
    }
}
