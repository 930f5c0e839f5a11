internal import ArgumentParser

/// The options that every verb takes: `@OptionGroup var common: CommonOptions`.
struct CommonOptions: ParsableArguments {
    /// More threads than this are a typing error, not a machine.
    static let largestThreadCount = 1024

    @Flag(help: "Print one JSON document on standard output and nothing else there. (default: text)")
    var json = false

    @Flag(help: "Print neither progress nor notes; warnings and errors stay. (default: print them)")
    var quiet = false

    @Option(
        help: ArgumentHelp(
            "Threads that compute. (default: the physical cores that this process may use)", valueName: "n"))
    var threads: Int?

    func validate() throws {
        guard let threads else { return }
        guard threads >= 1, threads <= Self.largestThreadCount else {
            throw ValidationError(
                "--threads \(threads) is outside 1 to \(Self.largestThreadCount). Leave it out to use every physical core."
            )
        }
    }
}
