internal import ArgumentParser
internal import System
internal import Training

/// What is kept of a run and how it goes on: the options of `train` about its directory.
struct SavingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Save a checkpoint every so many steps, or after a time: 90s, 10m, 2h; 0 saves only at the end and when "
                + "interrupted.", valueName: "steps|time"))
    var saveEvery = "10m"

    @Option(help: ArgumentHelp("Checkpoints that are kept, the newest.", valueName: "n"))
    var keep = 2

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "Go on with the run in the output directory from its newest checkpoint, bit for bit.")
    var resume = false

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "With --resume: --epochs or --max-steps may be others than before.")
    var extend = false

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "With --resume: go on although options, data, base or machine are others than before; they are named.")
    var acceptChanges = false

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "Replace the run in the output directory; one that is not empty is refused else.")
    var overwrite = false

    /// What the output directory may hold.
    func opening() throws(Failure) -> RunDirectory.Opening {
        guard !(resume && overwrite) else {
            throw Failure(.usage, "--resume and --overwrite are both given", remedy: "Leave one of them out")
        }
        for (isGiven, option) in [(extend, "--extend"), (acceptChanges, "--accept-changes")] where isGiven && !resume {
            throw Failure(.usage, "\(option) is given without --resume", remedy: "Give --resume too")
        }
        try OptionValue.require(1...1_000_000 ~= keep, "--keep", keep, "1 or more")
        return resume ? .resume : overwrite ? .overwrite : .fresh
    }
}
