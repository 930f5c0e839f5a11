import TestSupport
import Testing

/// `--help` of every verb: an example, and the default of every option that has one.
@Suite(.enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct HelpTests {
    /// The verbs that the program lists.
    static let verbs: [String] = {
        guard QLoRACommand.isBuilt else { return [] }
        let help = runQLoRA(arguments: ["--help"]).standardOutput.split(
            separator: "\n", omittingEmptySubsequences: false)
        guard let start = help.firstIndex(where: { $0.hasPrefix("SUBCOMMANDS:") }) else { return [] }
        return help[(start + 1)...].prefix { !$0.isEmpty }.filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
            .map { String($0.split(separator: " ")[0]) }
    }()

    /// The entries under OPTIONS, each with its continuation lines joined.
    private func options(_ help: String) -> [String] {
        let lines = help.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(of: "OPTIONS:") else { return [] }
        var entries: [String] = []
        for line in lines[(start + 1)...].prefix(while: { !$0.isEmpty }) {
            if line.hasPrefix("  -") { entries.append(String(line)) } else { entries[entries.count - 1] += " " + line }
        }
        return entries
    }

    @Test func thereAreVerbs() { #expect(Self.verbs.contains("tokenize")) }

    @Test(arguments: verbs)
    func documentsEveryDefault(verb: String) throws {
        let result = runQLoRA(arguments: [verb, "--help"])
        #expect(result.status == 0 && result.standardError.isEmpty)
        #expect(result.standardOutput.contains("EXAMPLE:\n"), "\(verb)")
        let usage = try #require(result.standardOutput.split(separator: "USAGE:").last?.split(separator: "\n\n").first)
        for option in options(result.standardOutput) where !option.contains("--help") {
            let name = try #require(option.split(whereSeparator: { " ,".contains($0) }).first { $0.hasPrefix("--") })
            let isRequired = usage.contains(" \(name)") && !usage.contains("[\(name)")
            #expect(isRequired || option.contains("default:"), "\(verb): \(option)")
        }
        for name in ["--json", "--quiet", "--threads"] { #expect(result.standardOutput.contains(name), "\(verb)") }
    }
}
