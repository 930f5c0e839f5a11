internal import ArgumentParser
internal import System

/// The program: a verb for each job. A new verb is one file and one line in `subcommands`.
@main
struct QLoRA: ParsableCommand {
    /// The version that `--version` prints and that run records carry.
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "qlora",
        abstract: "Fine-tune language models on machines without a GPU: a 4-bit base, LoRA adapters on top.",
        discussion: """
            MODEL is a directory in Hugging Face layout. Results go to standard output, everything else to standard error.

            EXAMPLE:
              echo '"Once upon a time"' | qlora tokenize --model MODEL
            """,
        subcommands: [
            Doctor.self,
            Inspect.self,
            Quantize.self,
            Train.self,
            Evaluate.self,
            Measure.self,
            MeasureTask.self,
            Generate.self,
            Chat.self,
            Tokenize.self,
            DataVerb.self,
        ])

    @Flag(name: [.customShort("v"), .customLong("version")], help: "Print the version and exit.")
    var printsVersion = false

    static func main() {
        do {
            let invocation: Invocation
            var command: any ParsableCommand
            do {
                invocation = try Invocation(Array(CommandLine.arguments.dropFirst()))
                command = try invocation.parse()
            } catch let failure as Failure {
                Console.bootstrapLogging()
                try Runner.end(failure, console: Console(isJSON: false, isQuiet: true))
            }
            try ConfigurationFile.$inEffect.withValue(invocation.settings) { try command.run() }
        } catch {
            exit(withError: error)
        }
    }

    func run() throws {
        guard printsVersion else { throw CleanExit.helpRequest(self) }
        print("qlora \(Self.version)")
    }
}
