internal import ArgumentParser
internal import Kernels
internal import System

/// A verb of the program: parses its arguments, calls, prints.
///
/// A conforming type declares its options, `@OptionGroup var common: CommonOptions`, and `run(console:)`; errors it
/// throws end the process with one paragraph and the exit status of the command-line contract.
protocol VerbCommand: ParsableCommand {
    var common: CommonOptions { get }
    /// The work. Results go to `console`; anything that is wrong with what a person gave is thrown as a `Failure`.
    func run(console: Console) throws
}

extension VerbCommand {
    func run() throws {
        Console.bootstrapLogging()
        let console = Console(isJSON: common.json, isQuiet: common.quiet)
        do {
            try run(console: console)
        } catch {
            try Runner.end(error, console: console)
        }
    }
}

/// How a verb that threw ends.
enum Runner {
    /// Prints the error as one paragraph on standard error and throws the exit status for the argument parser to use.
    static func end(_ error: any Error, console: Console) throws -> Never {
        switch error {
        case let failure as Failure:
            try exit(located(failure), console: console)
        case let unusable as UnusableInstructionSet:
            let usable = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
            try exit(
                Failure(
                    .usage, "QLORA_ISA is \"\(unusable.name)\", which is not an instruction set of this machine",
                    remedy: "Unset it, or set it to one of: \(usable)"), console: console)
        case is ExitCode, is CleanExit, is ValidationError:
            throw error
        default:
            try exit(
                Failure(
                    .internalError, "an error that this program does not know: \(error)",
                    remedy: "Please report it with the command line that led here"), console: console)
        }
    }

    /// A failure about an option's value, with the place in the configuration file where that came from there.
    private static func located(_ failure: Failure) -> Failure {
        guard failure.kind == .usage, failure.place == Failure.Place(),
            let setting = ConfigurationFile.inEffect.first(where: { $0.isMeant(by: failure.what) })
        else { return failure }
        var located = failure
        located.place = setting.place
        return located
    }

    private static func exit(_ failure: Failure, console: Console) throws -> Never {
        console.fail(failure)
        throw ExitCode(failure.kind.exitStatus)
    }
}
