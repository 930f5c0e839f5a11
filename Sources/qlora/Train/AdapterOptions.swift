internal import ArgumentParser

/// What is trained: the options of `train` about the adapter.
struct AdapterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Rank of the adapter.", valueName: "r"))
    var rank = 16

    @Option(help: ArgumentHelp("The adapter's product is scaled by alpha / rank.", valueName: "alpha"))
    var alpha = 32.0

    @Option(help: ArgumentHelp("Probability that an input of the adapter is dropped in training.", valueName: "p"))
    var dropout = 0.0

    @Option(
        help: ArgumentHelp(
            "Linears that are adapted: all-linear (of a mixture all but routers and experts), names (q_proj,experts.down_proj), or a regular expression between slashes.",
            valueName: "selection"))
    var targets = "all-linear"

    @Option(
        help: ArgumentHelp(
            "Linears that are left out: names, or a regular expression between slashes. (default: none)",
            valueName: "selection"))
    var exclude: String?

    @Option(
        help: ArgumentHelp(
            "Layers that are adapted: last:N. (default: all)", valueName: "selection"))
    var layers: String?

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast, help: "Scale by alpha / sqrt(rank) instead (rsLoRA).")
    var rslora = false

    @Option(
        help: ArgumentHelp(
            "A PEFT adapter to go on from: rank, alpha and targets come from it. (default: none, a fresh adapter)",
            valueName: "dir"))
    var initAdapter: String?

    @Option(
        help: ArgumentHelp(
            "Name of the base model in the adapter's configuration. (default: the name the base's configuration holds)",
            valueName: "name"))
    var baseName: String?
}
