internal import ArgumentParser
internal import System

/// The file of `--config`: options of a verb under their long names, in YAML, which JSON is a part of.
///
/// Keys may have underscores for dashes. A flag is true or false, an option that may be given several times has a list,
/// and an option without a value (or null) is not given. A `run.json` is taken for the options that it records.
struct ConfigurationFile: Sendable {
    /// An option that the file gives.
    struct Setting: Sendable {
        let option: KnownOption
        /// What gives the option on a command line.
        let arguments: [String]
        /// Of the value.
        let place: Failure.Place

        /// Whether a message speaks of the option first of all.
        func isMeant(by message: String) -> Bool {
            guard let dashes = message.firstRange(of: "--") else {
                return message.hasPrefix("the \(option.name.replacing("-", with: " ")) ")
            }
            return message[dashes.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == "-" } == option.name
        }
    }

    /// The settings that the running verb goes by, for messages about their values.
    @TaskLocal static var inEffect: [Setting] = []

    private static let byteLimit = 1 << 20

    let settings: [Setting]

    /// Options of which one takes the place of another: who gives one on the command line means none of the others.
    private static let alternatives: [Set<String>] = [
        ["epochs", "max-steps"], ["warmup-steps", "warmup-ratio"], ["eval-data", "eval-split"],
        ["train-data", "eval-split"], ["raw", "chat-template"], ["resume", "overwrite"],
    ]

    /// Reads a file.
    ///
    /// - Parameters:
    ///   - options: those of the verb.
    ///   - verb: its name, for messages.
    /// - Throws: `Failure`: 66 missing, 65 no YAML mapping, 64 a key that is no option, or a value of the wrong kind.
    init(_ path: String, options: [KnownOption], verb: String) throws(Failure) {
        let bytes = try FileReader.read(path, limit: Self.byteLimit)
        let root: YAMLNode
        do throws(Failure) { root = try YAMLParser.parse(bytes) } catch { throw error.inFile(path) }
        var entries: [YAMLEntry] = []
        if !root.isNull {
            guard let mapping = root.mapping else {
                var place = root.place
                place.file = path
                throw Failure(
                    .badData, "the file holds \(root.kindName) where a mapping is expected", at: place,
                    remedy: "Write options as key: value, each in a line of its own")
            }
            entries = mapping
        }
        // A record of a run holds its options among other things.
        if entries.contains(where: { $0.key == "program" }),
            let options = entries.first(where: { $0.key == "options" })?.value.mapping
        {
            entries = options
        }
        var settings: [Setting] = []
        for entry in entries {
            var place = entry.place
            (place.file, place.field) = (path, entry.key)
            let name = entry.key.replacing("_", with: "-")
            guard let option = options.first(where: { $0.name == name }) else {
                let nearest = NearestName.of(entry.key, among: options.map(\.name))
                throw Failure(
                    .usage, "\(verb) has no such option; the nearest is \(nearest ?? "none")", at: place,
                    remedy: "qlora \(verb) --help lists all options: their names without dashes in front are the keys")
            }
            guard !settings.contains(where: { $0.option.name == name }) else {
                throw Failure(.badData, "the option is given twice", at: place, remedy: "Leave one of them out")
            }
            (place.line, place.column) = (entry.value.place.line, entry.value.place.column)
            let arguments = try OptionArguments(option, place).of(entry.value)
            if !arguments.isEmpty { settings.append(Setting(option: option, arguments: arguments, place: place)) }
        }
        self.settings = settings
    }

    /// The settings that a command line leaves in effect: it replaces what it gives, lists too.
    func settings(beside arguments: [String]) -> [Setting] {
        let given = arguments.prefix { $0 != "--" }
        func isGiven(_ option: KnownOption) -> Bool { given.contains(where: option.isGiven) }
        return settings.filter { setting in
            guard !isGiven(setting.option) else { return false }
            return !Self.alternatives.contains { group in
                group.contains(setting.option.name)
                    && group.contains { name in name != setting.option.name && given.contains { Self.gives($0, name) } }
            }
        }
    }

    private static func gives(_ argument: String, _ name: String) -> Bool {
        argument == "--\(name)" || argument.hasPrefix("--\(name)=")
    }
}

/// What gives the value of an option on a command line.
private struct OptionArguments {
    private let option: KnownOption
    private let place: Failure.Place

    init(_ option: KnownOption, _ place: Failure.Place) {
        self.option = option
        self.place = place
    }

    /// - Throws: `usage` for a value of another kind than the option takes.
    func of(_ node: YAMLNode) throws(Failure) -> [String] {
        if node.isNull { return [] }
        if option.isFlag { return try flag(node) }
        if let list = node.sequence, option.isRepeating {
            return try list.map { (element) throws(Failure) in argument(try text(element)) }.flatMap(\.self)
        }
        switch (option.structure, node.content) {
        case (.json, .mapping), (.json, .sequence): return argument(JSONWriter.compact.string(node.json))
        case (.commaList, .sequence(let list)):
            return list.isEmpty ? [] : argument(try list.map(text).joined(separator: ","))
        case (.pairs, .mapping(let entries)):
            return argument(
                try entries.map { (entry) throws(Failure) in "\(entry.key)=\(try text(entry.value))" }
                    .joined(separator: ","))
        default: return argument(try text(node))
        }
    }

    private func argument(_ value: String) -> [String] {
        // `--name=` would be an option without its value.
        value.isEmpty ? ["--\(option.name)", ""] : ["--\(option.name)=\(value)"]
    }

    private func flag(_ node: YAMLNode) throws(Failure) -> [String] {
        // YAML 1.1 has more words for truth; where nothing else can be meant, they are taken.
        let words = ["yes": true, "on": true, "no": false, "off": false]
        guard let value = node.bool ?? (node.isQuoted ? nil : words[node.text?.lowercased() ?? ""]) else {
            throw mismatch(node, "true or false")
        }
        return value ? ["--\(option.name)"] : option.isInvertible ? ["--no-\(option.name)"] : []
    }

    private func text(_ node: YAMLNode) throws(Failure) -> String {
        guard let text = node.text, !node.isNull else {
            throw mismatch(node, option.isRepeating ? "a value or a list of values" : "a value")
        }
        return text
    }

    private func mismatch(_ node: YAMLNode, _ expected: String) -> Failure {
        var place = place
        (place.line, place.column) = (node.place.line, node.place.column)
        return Failure(
            .usage, "\(node.kindName) is given where \(expected) is expected", at: place,
            remedy: "Change the value of \(option.name)")
    }
}
