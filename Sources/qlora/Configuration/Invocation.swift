internal import ArgumentParser
internal import System

/// A command line together with what the file of its `--config` adds.
struct Invocation {
    /// For the argument parser: options of the file stand before those of the command line.
    let arguments: [String]
    /// The settings of the file that are in effect.
    let settings: [ConfigurationFile.Setting]
    private let verb: (any ConfigurableCommand.Type)?
    private let options: [KnownOption]

    /// - Parameter commandLine: without the program's name.
    /// - Throws: as `ConfigurationFile`; `usage` where `--config` is given twice.
    init(_ commandLine: [String]) throws(Failure) {
        let name = commandLine.first
        let verb = QLoRA.configuration.subcommands.lazy.compactMap { $0 as? any ConfigurableCommand.Type }
            .first { $0._commandName == name }
        guard let verb, let name, let path = try Self.configurationPath(commandLine) else {
            (arguments, settings, options, self.verb) = (commandLine, [], [], nil)
            return
        }
        options = KnownOption.all(of: verb)
        let given = Array(commandLine.dropFirst())
        settings = try ConfigurationFile(path, options: options, verb: name).settings(beside: given)
        arguments = [name] + settings.flatMap(\.arguments) + given
        self.verb = verb
    }

    /// The value of `--config`; nil where it is not given, has no value (which the argument parser says), or help is
    /// asked for.
    private static func configurationPath(_ commandLine: [String]) throws(Failure) -> String? {
        let arguments = commandLine.prefix { $0 != "--" }
        if arguments.contains(where: { ["-h", "--help"].contains($0) }) { return nil }
        var paths: [String] = []
        for (argument, next) in zip(arguments, arguments.dropFirst() + [""]) {
            if argument == ConfigurationOptions.optionName, !next.isEmpty, !next.hasPrefix("-") {
                paths.append(next)
            } else if argument.hasPrefix(ConfigurationOptions.optionName + "=") {
                paths.append(String(argument.dropFirst(ConfigurationOptions.optionName.count + 1)))
            }
        }
        guard paths.count < 2 else {
            throw Failure(.usage, "--config is given twice", remedy: "Put all options into one file")
        }
        return paths.first { !$0.isEmpty }
    }

    /// The verb, its options parsed.
    ///
    /// - Throws: what the argument parser does not understand; a `Failure` with its place where that stands in the file.
    func parse() throws -> any ParsableCommand {
        do {
            return try QLoRA.parseAsRoot(arguments)
        } catch {
            guard let verb else { throw error }
            for setting in settings { try probe(verb, [setting], setting.place) }
            // Each may stand alone, but not beside another.
            if let file = settings.first?.place.file { try probe(verb, settings, .init(file: file)) }
            throw error
        }
    }

    /// Parses settings alone, with anything for the options that are required.
    ///
    /// - Throws: `usage` at the place, saying what the argument parser says.
    private func probe(
        _ verb: any ConfigurableCommand.Type, _ settings: [ConfigurationFile.Setting], _ place: Failure.Place
    ) throws(Failure) {
        let required = options.filter { option in
            option.isRequired && !settings.contains { $0.option.name == option.name }
        }
        do {
            _ = try verb.parse(required.map { "--\($0.name)=." } + settings.flatMap(\.arguments))
        } catch {
            let message = verb.message(for: error)
            throw Failure(
                .usage, message.hasSuffix(".") ? String(message.dropLast()) : message, at: place,
                remedy: "qlora \(verb._commandName) --help says what is expected")
        }
    }
}
