internal import ArgumentParser
internal import System

/// An option of a verb as a configuration file names it.
struct KnownOption: Sendable {
    /// The long name without dashes.
    let name: String
    let short: Character?
    let isFlag: Bool
    /// Whether `--no-NAME` is the flag's opposite.
    private(set) var isInvertible = false
    /// Whether the option may be given several times, each for another value.
    let isRepeating: Bool
    let isRequired: Bool
    /// What its value is called in the help.
    let valueName: String

    /// How a list or a mapping is written as one value on the command line.
    enum Structure {
        /// Elements separated by commas.
        case commaList
        /// `name=value`, separated by commas.
        case pairs
        /// JSON text.
        case json
    }

    /// What the value's name in the help says about lists and mappings; nil where the value is neither.
    var structure: Structure? {
        switch valueName {
        case "list", "selection": .commaList
        case "mapping": .pairs
        case "json": .json
        default: nil
        }
    }

    /// Not for files: they would name themselves.
    private static let excluded: Set<String> = ["config", "help"]

    /// The options of a verb, as its own declarations say.
    static func all(of verb: any ParsableCommand.Type) -> [KnownOption] {
        guard let document = try? JSONParser.parse(verb._dumpHelp()),
            let arguments = document["command"]?["arguments"]?.array
        else { fatalError("the argument parser does not describe the options of a verb as it did") }
        let all = arguments.compactMap(KnownOption.init)
        let names = Set(all.map(\.name))
        return all.filter { !$0.name.hasPrefix("no-") || !names.contains(String($0.name.dropFirst(3))) }.map { option in
            var option = option
            option.isInvertible = names.contains("no-\(option.name)")
            return option
        }
    }

    private init?(_ argument: JSONValue) {
        func firstName(_ kind: String) -> String? {
            argument["names"]?.array?.first { $0["kind"]?.string == kind }?["name"]?.string
        }
        guard let name = firstName("long"), !Self.excluded.contains(name) else { return nil }
        self.name = name
        short = firstName("short")?.first
        isFlag = argument["kind"]?.string == "flag"
        isRepeating = argument["isRepeating"]?.bool ?? false
        isRequired = argument["isOptional"]?.bool == false
        valueName = argument["valueName"]?.string ?? name
    }

    /// Whether an argument of a command line gives the option.
    func isGiven(by argument: String) -> Bool {
        if argument.hasPrefix("--") {
            let given = argument.dropFirst(2).prefix { $0 != "=" }
            return given == name || isInvertible && given == "no-\(name)"
        }
        return argument.hasPrefix("-") && short != nil && argument.dropFirst().first == short
    }
}
