internal import Adapters
internal import DecoderModels
internal import System

/// Makes the adapter that `train` trains: sites, ranks and initial values.
struct AdapterFactory {
    private let options: AdapterOptions
    private let baseName: String?

    init(_ options: AdapterOptions, baseName: String?) {
        self.options = options
        self.baseName = baseName
    }

    /// The adapter and the configuration it will be saved with.
    func make(_ base: DecoderModel, seed: UInt64) throws(Failure) -> (AdapterSet, AdapterConfiguration) {
        try OptionValue.require(0..<1 ~= options.dropout, "--dropout", options.dropout, "a number from 0 to below 1")
        if let directory = options.initAdapter { return try goOn(from: directory, base) }
        let ranks = RankRule(rank: options.rank, alpha: options.alpha, isRankStabilized: options.rslora)
        try ranks.validate(.usage)
        var selection = try TargetSelection(targets: options.targets, exclude: options.exclude)
        if let layers = options.layers {
            try selection.setLayers(option: layers, layerCount: base.configuration.layerCount)
        }
        try selection.separateParameters(base.sites)
        let sites = try selection.select(from: base.sites, outputHead: base.head.site.path)
        try checkDropout(sites)
        let adapters = AdapterSet(sites: try ranks.apply(to: sites), dropout: Float(options.dropout))
        adapters.initialize(seed: seed)
        var configuration = AdapterConfiguration(
            baseModel: baseName, ranks: ranks, dropout: options.dropout,
            targets: try savedTargets(selection, base), exclude: selection.exclude, layers: selection.layers)
        configuration.targetParameters = selection.parameters
        if configuration.targets == .names([]) { configuration.targets = nil }
        configuration.fanInFanOut = base.storesTransposed
        return (adapters, configuration)
    }

    /// Refuses dropout beside experts: PEFT cannot load such an adapter, because what it adds to parameters has none.
    private func checkDropout(_ sites: [AdapterSite]) throws(Failure) {
        guard options.dropout > 0, let site = sites.first(where: { $0.role != nil }) else { return }
        throw Failure(
            .usage, "--dropout is \(options.dropout), and \(site.path) is a parameter, which has no dropout in PEFT",
            remedy: "Leave --dropout out, or adapt neither experts nor routers")
    }

    /// What PEFT would save as `target_modules`: names and patterns as they are, all-linear as the shortest suffixes.
    private func savedTargets(_ selection: TargetSelection, _ base: DecoderModel) throws(Failure) -> ModuleSet {
        if case .modules(let set) = selection.targets { return set }
        var everyLayer = selection
        everyLayer.layers = nil
        let sites = try everyLayer.select(from: base.sites, outputHead: base.head.site.path)
        return .names(TargetSelection.suffixes(of: sites, among: base.sites))
    }

    /// Rank, alpha, targets and values of an adapter that was made before.
    private func goOn(from directory: String, _ base: DecoderModel) throws(Failure) -> (
        AdapterSet, AdapterConfiguration
    ) {
        let loaded = try AdapterDirectory.read(directory, sites: base.sites, outputHead: base.head.site.path)
        var configuration = loaded.configuration
        if let baseName = options.baseName { configuration.baseModel = baseName }
        configuration.dropout = options.dropout
        try checkDropout(loaded.parameters.entries.map(\.site))
        let adapters = AdapterSet(
            sites: loaded.parameters.entries.map { ($0.site, $0.rank, $0.scaling) }, dropout: Float(options.dropout))
        _ = adapters.parameters.update(fromContentsOf: loaded.parameters.parameters)
        return (adapters, configuration)
    }
}
