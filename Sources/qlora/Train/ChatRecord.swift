internal import ChatTemplates
internal import System

/// What a run leaves of its chat template in its directory: the template itself, which goes with the adapter, and what
/// it was given, which a run that goes on is given again.
enum ChatRecord {
    static let templateName = "chat_template.jinja"
    static let settingsName = "chat_settings.json"

    /// Writes both files.
    static func write(_ renderer: ChatRenderer, to directory: String) throws(Failure) {
        try AtomicFile.write(Array(renderer.template.source.utf8), to: FileSystem.join(directory, templateName))
        let settings = JSONObject([
            ("template_args", .object(renderer.arguments)), ("template_date", .string(renderer.date.text)),
        ])
        try AtomicFile.write(
            JSONWriter.pretty.bytes(.object(settings)) + [0x0A], to: FileSystem.join(directory, settingsName))
    }

    private static func settings(of directory: String) throws(Failure) -> JSONObject? {
        let file = FileSystem.join(directory, settingsName)
        return FileSystem.status(file) == nil ? nil : try FileReader.readJSONObject(file)
    }

    /// The day that a run's templates saw, as YYYY-MM-DD; nil where it had no template.
    static func date(of directory: String) throws(Failure) -> String? {
        try settings(of: directory)?["template_date"]?.string
    }

    /// What a run's templates were given; nil where it had no template.
    static func arguments(of directory: String) throws(Failure) -> JSONObject? {
        try settings(of: directory)?["template_args"]?.object
    }

    /// The template of a run; nil where it had none.
    static func template(of directory: String) throws(Failure) -> ChatTemplate? {
        let file = FileSystem.join(directory, templateName)
        return FileSystem.status(file) == nil ? nil : try TemplateDirectory.read(file)
    }

    /// The members of `options` that say how rows became text.
    static func options(_ rows: DataOptions, _ renderer: ChatRenderer?) -> [(String, JSONValue)] {
        [
            ("train_on", .string(rows.trainOn.rawValue)), ("raw", .bool(rows.raw)),
            ("chat_template", renderer.map { .string(FileSystem.lastComponent($0.template.name)) } ?? .null),
            ("template_args", renderer.map { .object($0.arguments) } ?? .null),
            ("template_date", renderer.map { .string($0.date.text) } ?? .null),
        ]
    }
}
