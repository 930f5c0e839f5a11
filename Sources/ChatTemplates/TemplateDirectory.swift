package import System

/// The chat templates of a model directory and the special tokens that they are given.
package struct TemplateDirectory: Sendable {
    /// Templates by name; that of most models is called `default`.
    package let templates: [(name: String, template: ChatTemplate)]
    /// `bos_token`, `eos_token` and their like, as the tokenizer's files name them.
    package let specialTokens: [(name: String, text: String)]

    /// Reads the files of a directory that has them: `chat_template.jinja` with `additional_chat_templates`, else
    /// `chat_template` in tokenizer_config.json (one, or a list of named ones), else chat_template.json.
    ///
    /// - Throws: `badData` for a file that cannot be read or is no template, with its place.
    package init(_ directory: String) throws(Failure) {
        let configuration = try Self.object(directory, "tokenizer_config.json")
        let map = try Self.object(directory, "special_tokens_map.json")
        var tokens: [(name: String, text: String)] = []
        for object in [configuration, map].compactMap({ $0 }) {
            let extra = object["extra_special_tokens"]?.object?.members ?? []
            for member in object.members + extra where member.key.hasSuffix("_token") {
                guard let text = member.value.string ?? member.value["content"]?.string,
                    !tokens.contains(where: { $0.name == member.key })
                else { continue }
                tokens.append((member.key, text))
            }
        }
        specialTokens = tokens
        templates = try Self.templates(directory, configuration)
    }

    private static func object(_ directory: String, _ name: String) throws(Failure) -> JSONObject? {
        let path = FileSystem.join(directory, name)
        return FileSystem.status(path) == nil ? nil : try FileReader.readJSONObject(path)
    }

    private static func templates(_ directory: String, _ configuration: JSONObject?) throws(Failure)
        -> [(name: String, template: ChatTemplate)]
    {
        let file = FileSystem.join(directory, "chat_template.jinja")
        if FileSystem.status(file) != nil {
            var found = [("default", try read(file))]
            let folder = FileSystem.join(directory, "additional_chat_templates")
            if FileSystem.isDirectory(folder) {
                for name in try FileSystem.list(folder).sorted() where name.hasSuffix(".jinja") {
                    found.append((String(name.dropLast(6)), try read(FileSystem.join(folder, name))))
                }
            }
            return found
        }
        for (name, object) in [
            ("tokenizer_config.json", configuration),
            ("chat_template.json", try object(directory, "chat_template.json")),
        ] {
            guard let value = object?["chat_template"], !value.isNull else { continue }
            return try named(value, file: FileSystem.join(directory, name))
        }
        return []
    }

    /// A template, or a list of `{"name", "template"}`.
    private static func named(_ value: JSONValue, file: String) throws(Failure) -> [(
        name: String, template: ChatTemplate
    )] {
        if let source = value.string { return [("default", try ChatTemplate(source, name: "\(file) (chat_template)"))] }
        var found: [(name: String, template: ChatTemplate)] = []
        for element in value.array ?? [] {
            guard let name = element["name"]?.string, let source = element["template"]?.string else { continue }
            found.append((name, try ChatTemplate(source, name: "\(file) (chat_template \(name))")))
        }
        guard !found.isEmpty else {
            throw Failure(
                .badData, "holds \(value.kindName) where a template or a list of named ones is expected",
                at: .init(file: file, field: "chat_template"))
        }
        return found
    }

    /// Reads a file that holds a template.
    package static func read(_ file: String) throws(Failure) -> ChatTemplate {
        try ChatTemplate(try FileReader.readText(file, limit: TemplateLimits.sourceByteCount), name: file)
    }

    /// The template of conversations, and the one for those with tools where there is one of its own.
    ///
    /// - Throws: `usage` where there are several and none is the default one.
    package func standard() throws(Failure) -> (template: ChatTemplate, toolTemplate: ChatTemplate?)? {
        guard let only = templates.first else { return nil }
        let tools = templates.first { $0.name == "tool_use" }?.template
        if let standard = templates.first(where: { $0.name == "default" }) { return (standard.template, tools) }
        guard templates.count == 1 else {
            throw Failure(
                .usage,
                "the model has the templates \(templates.map(\.name).joined(separator: ", ")), and none is the default",
                remedy: "Name one with --chat-template")
        }
        return (only.template, nil)
    }

    /// What `--chat-template` names: a file, a template of the model, or one that comes with the program.
    ///
    /// - Throws: `usage` listing the names there are.
    package func named(_ name: String) throws(Failure) -> ChatTemplate {
        if let own = templates.first(where: { $0.name == name }) { return own.template }
        if let builtIn = try BuiltInTemplates.named(name) { return builtIn }
        if FileSystem.status(name) != nil { return try Self.read(name) }
        let known = (templates.map(\.name) + BuiltInTemplates.names).joined(separator: ", ")
        throw Failure(
            .usage, "--chat-template is \"\(name)\": there is no such file and no template of that name",
            remedy: "Give a file, or one of \(known)")
    }
}
