internal import ArgumentParser
internal import ChatTemplates
internal import Glibc
internal import System
internal import Tokenizers

/// Which chat template is used and what it is given.
struct ChatTemplateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A chat template: a file, a name among the model's own, or \(BuiltInTemplates.names.joined(separator: ", ")). "
                + "(default: that of the adapter, else of the model)", valueName: "name|file"))
    var chatTemplate: String?

    @Option(
        help: ArgumentHelp(
            "Variables for the chat template, a JSON object such as {\"enable_thinking\": false}. (default: those that the "
                + "adapter was trained with, else none)",
            valueName: "json"))
    var templateArgs: String?

    @Option(
        help: ArgumentHelp(
            "The day that templates see as today. (default: the day of the run, in UTC)", valueName: "yyyy-mm-dd"))
    var templateDate: String?

    /// The variables of `--template-args`.
    ///
    /// - Throws: `usage` for anything but a JSON object.
    func arguments() throws(Failure) -> JSONObject {
        guard let templateArgs else { return JSONObject() }
        let remedy = "Write it as in --template-args '{\"enable_thinking\": false}'"
        let value: JSONValue
        do throws(Failure) {
            value = try JSONParser.parse(templateArgs)
        } catch { throw Failure(.usage, "--template-args is no JSON: \(error.what)", remedy: remedy) }
        guard let object = value.object else {
            throw Failure(.usage, "--template-args is \(value.kindName) where an object is expected", remedy: remedy)
        }
        if let name = object.keys.first(where: ChatRenderer.reservedNames.contains) {
            throw Failure(
                .usage, "--template-args sets \"\(name)\", which the conversation sets", remedy: "Leave it out")
        }
        return object
    }

    /// The day of `--template-date`.
    func date() throws(Failure) -> TemplateDate {
        try templateDate.map { (text) throws(Failure) in try TemplateDate(option: text) }
            ?? TemplateDate(secondsSince1970: time(nil))
    }

    /// The template that the options, the adapter or the model name; nil where there is none.
    ///
    /// - Parameters:
    ///   - model: the model's directory.
    ///   - adapter: the adapter's directory, whose template goes over the model's.
    ///   - tokens: what stands for the special tokens that no file beside the tokenizer names.
    func renderer(model: String, adapter: String? = nil, tokens: TokenizerDirectory) throws(Failure) -> ChatRenderer? {
        var arguments = try arguments()
        let date = try date()
        let own = try TemplateDirectory(model)
        var chosen = try chatTemplate == nil ? own.standard() : nil
        if let chatTemplate {
            chosen = (try own.named(chatTemplate), nil)
        } else if let adapter, let template = try ChatRecord.template(of: adapter) {
            chosen = (template, nil)
            if templateArgs == nil { arguments = try ChatRecord.arguments(of: adapter) ?? arguments }
        }
        guard let chosen else { return nil }
        var special = own.specialTokens
        let named = [
            ("bos_token", tokens.beginToken), ("eos_token", tokens.endToken), ("pad_token", tokens.paddingToken),
        ]
        for case (let name, let token?) in named where !special.contains(where: { $0.name == name }) {
            special.append((name, token.text))
        }
        return ChatRenderer(
            template: chosen.template, toolTemplate: chosen.toolTemplate, specialTokens: special, arguments: arguments,
            date: date)
    }

    /// As `renderer`.
    ///
    /// - Throws: `usage` where there is none.
    func requiredRenderer(model: String, adapter: String? = nil, tokens: TokenizerDirectory) throws(Failure)
        -> ChatRenderer
    {
        guard let renderer = try renderer(model: model, adapter: adapter, tokens: tokens) else {
            throw Failure(
                .usage, "the model has no chat template", at: .init(file: model),
                remedy: "Name one with --chat-template: a file, or \(BuiltInTemplates.names.joined(separator: ", "))")
        }
        return renderer
    }
}

extension TrainOn: ExpressibleByArgument {}
