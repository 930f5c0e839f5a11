package import System

/// A set of modules as PEFT writes it: a list of names, or one regular expression.
package enum ModuleSet: Sendable, Equatable {
    /// A module whose path equals a name or ends with "." and the name.
    case names([String])
    /// A module whose whole path matches.
    case pattern(String)

    /// Reads the value of `--exclude` or `--targets`: `NAME,…` or `/regex/`.
    ///
    /// - Throws: `usage` for an empty list or name, and what `ModulePattern` throws.
    package init(option: String, named optionName: String) throws(Failure) {
        if option.count >= 2, option.hasPrefix("/"), option.hasSuffix("/") {
            let pattern = String(option.dropFirst().dropLast())
            do throws(Failure) {
                _ = try ModulePattern(pattern)
            } catch {
                throw Failure(.usage, "\(optionName) is \"\(option)\": \(error.what)", remedy: "Correct the pattern")
            }
            self = .pattern(pattern)
            return
        }
        let names = option.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard names.allSatisfy({ !$0.isEmpty }) else {
            throw Failure(
                .usage, "\(optionName) is \"\(option)\": module names separated by commas, or /regex/, are expected")
        }
        self = .names(names)
    }

    /// How a path is in the set.
    enum Membership { case none, suffix, whole }

    /// Answers for many paths with one parsed pattern.
    func matcher() throws(Failure) -> (String) throws(Failure) -> Membership {
        switch self {
        case .names(let names):
            return { (path) throws(Failure) in
                if names.contains(path) { return .whole }
                return names.contains { path.hasSuffix(".\($0)") } ? .suffix : .none
            }
        case .pattern(let text):
            let pattern = try ModulePattern(text)
            return { (path) throws(Failure) in try pattern.matches(path) ? .whole : .none }
        }
    }
}

/// Which linears get an adapter, by PEFT's rules (0.21.2, `check_target_module_exists`).
package struct TargetSelection: Sendable {
    /// Which linears are wanted.
    package enum Targets: Sendable, Equatable {
        /// Every linear but the output head.
        case allLinear
        case modules(ModuleSet)
    }

    package var targets: Targets
    /// Parameters that are adapted beside the targets: whole paths, or ends of paths. Neither `exclude` nor `layers` is
    /// asked about them (PEFT's rule).
    package var parameters: [String]
    /// Left out before anything else is asked.
    package var exclude: ModuleSet?
    /// Only in layers of these indices; paths that a target names whole are not asked (PEFT's rule).
    package var layers: [Int]?
    /// Names of the path segment before the layer index; empty takes the first segment that is a number.
    package var layersPattern: [String]

    package init(
        targets: Targets = .allLinear, parameters: [String] = [], exclude: ModuleSet? = nil, layers: [Int]? = nil,
        layersPattern: [String] = []
    ) {
        self.targets = targets
        self.parameters = parameters
        self.exclude = exclude
        self.layers = layers
        self.layersPattern = layersPattern
    }

    /// Reads the options `--targets all-linear|NAME,…|/regex/` and `--exclude NAME,…|/regex/`.
    package init(targets: String, exclude: String? = nil) throws(Failure) {
        self.init()
        if targets.lowercased() != "all-linear" {
            self.targets = .modules(try ModuleSet(option: targets, named: "--targets"))
        }
        if let exclude { self.exclude = try ModuleSet(option: exclude, named: "--exclude") }
    }

    /// Reads `--layers last:N` for a model.
    ///
    /// - Throws: `usage` for another form, N below 1 or above the number of layers, or with a pattern as targets.
    package mutating func setLayers(option: String, layerCount: Int) throws(Failure) {
        let parts = option.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "last", let count = Int(parts[1]), count >= 1 else {
            throw Failure(.usage, "--layers is \"\(option)\": last:N with N of 1 or more is expected")
        }
        guard count <= layerCount else {
            throw Failure(.usage, "--layers is \"\(option)\", and the model has \(layerCount) layers")
        }
        if case .modules(.pattern) = targets {
            throw Failure(
                .usage, "--layers cannot be used with --targets as a pattern",
                remedy: "Write the layers into the pattern, as in /.*layers\\.(6|7)\\..*/")
        }
        layers = Array((layerCount - count)..<layerCount)
    }

    /// Takes names that no linear has, but a parameter, out of the targets and into `parameters`: `experts.down_proj`.
    /// Where only some layers are adapted, whole paths stand for them, because PEFT asks no layers about parameters.
    package mutating func separateParameters(_ sites: [AdapterSite]) throws(Failure) {
        guard case .modules(.names(let names)) = targets else { return }
        let found = names.filter { name in
            !sites.contains { $0.modulePaths.contains { Self.ends($0, with: name) } }
                && sites.contains { $0.parameterPath.map { Self.ends($0, with: name) } ?? false }
        }
        guard !found.isEmpty else { return }
        targets = .modules(.names(names.filter { !found.contains($0) }))
        guard let layers else { return parameters = found }
        for site in sites {
            guard let path = site.parameterPath, found.contains(where: { Self.ends(path, with: $0) }),
                let layer = try layerIndex(path), layers.contains(layer)
            else { continue }
            parameters.append(path)
        }
    }

    /// Whether a path is a name or ends with it, at a whole segment.
    private static func ends(_ path: String, with name: String) -> Bool { path == name || path.hasSuffix(".\(name)") }

    /// The sites that are selected, in their order. `all-linear` leaves routers and experts out: to transformers 5 they are
    /// no linears.
    ///
    /// - Parameters:
    ///   - sites: every linear of the model, in the model's order.
    ///   - outputHead: the path of the output head, which `all-linear` leaves out.
    ///   - requiresEveryName: refuse a name that selects nothing, not only a selection that is empty.
    /// - Throws: `usage` where nothing is selected, listing the last path segments that there are.
    package func select(
        from sites: [AdapterSite], outputHead: String?, requiresEveryName: Bool = true
    ) throws(Failure) -> [AdapterSite] {
        let isExcluded = try exclude?.matcher()
        let isTarget: ((String) throws(Failure) -> ModuleSet.Membership)?
        switch targets {
        case .allLinear: isTarget = nil
        case .modules(let set): isTarget = try set.matcher()
        }
        var selected: [AdapterSite] = []
        func isSelected(_ site: AdapterSite) throws(Failure) -> Bool {
            if let path = site.parameterPath, parameters.contains(where: { Self.ends(path, with: $0) }) { return true }
            for path in site.modulePaths {
                if let isExcluded, try isExcluded(path) != .none { continue }
                var membership = ModuleSet.Membership.suffix
                if let isTarget {
                    membership = try isTarget(path)
                } else if path == outputHead || site.role != nil {
                    membership = .none
                }
                if membership == .suffix, let layers {
                    let layer = try layerIndex(path)
                    if layer.map({ !layers.contains($0) }) ?? true { membership = .none }
                }
                if membership != .none { return true }
            }
            return false
        }
        for site in sites where try isSelected(site) { selected.append(site) }
        if requiresEveryName, case .modules(.names(let names)) = targets {
            for name in names where !sites.contains(where: { $0.modulePaths.contains { Self.ends($0, with: name) } }) {
                throw Failure(
                    .usage, "the model has no linear \"\(name)\" to adapt",
                    remedy: "Its linears are \(Self.kinds(sites))")
            }
        }
        guard !selected.isEmpty else {
            throw Failure(
                .usage, "the targets select none of the model's linears", remedy: "Its linears are \(Self.kinds(sites))"
            )
        }
        if let single = selected.first(where: { $0.role == .expert }),
            let stack = selected.first(where: { $0.stackModule != nil })
        {
            throw Failure(
                .usage,
                "the targets name linears of single experts (\(single.path)) and the experts as a whole "
                    + "(\(stack.path))",
                remedy: "Name either experts.gate_up_proj and experts.down_proj, or the linears of each expert")
        }
        return selected
    }

    /// The last segments of the sites' paths, each once, in order.
    static func kinds(_ sites: [AdapterSite]) -> String {
        var seen: Set<String> = []
        let kinds = sites.map { site in
            site.path.split(separator: ".").suffix(site.stackModule == nil ? 1 : 2).joined(separator: ".")
        }
        return kinds.filter { seen.insert($0).inserted }.joined(separator: ", ")
    }

    /// The index of the layer that a path lies in: its first segment that is a number with a segment before and behind
    /// (and another before those, as PEFT's expression has it), or the number behind segments that
    /// an expression of `layersPattern` matches.
    func layerIndex(_ path: String) throws(Failure) -> Int? {
        let segments = path.split(separator: ".", omittingEmptySubsequences: false)
        func number(_ index: Int) -> Int? {
            let segment = segments[index]
            guard !segment.isEmpty, segment.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
            return Int(segment)
        }
        guard segments.count >= 3 else { return nil }
        if layersPattern.isEmpty {
            guard segments.count >= 4 else { return nil }
            for index in 2..<(segments.count - 1) { if let layer = number(index) { return layer } }
            return nil
        }
        for text in layersPattern {
            let pattern = try ModulePattern(text)
            for index in 1..<(segments.count - 1) {
                guard let layer = number(index) else { continue }
                for start in (0..<index).reversed() {
                    if try pattern.matches(segments[start..<index].joined(separator: ".")) { return layer }
                }
            }
        }
        return nil
    }

    /// The shortest suffixes that select exactly `selected` among `sites`, sorted: what PEFT condenses long lists of
    /// targets to (`_find_minimal_target_modules`).
    package static func suffixes(of selected: [AdapterSite], among sites: [AdapterSite]) -> [String] {
        func suffixes(_ path: String) -> [String] {
            let segments = path.split(separator: ".")
            return segments.indices.reversed().map { segments[$0...].joined(separator: ".") }
        }
        let targets = Set(selected.flatMap(\.modulePaths))
        var others: Set<String> = []
        for path in sites.flatMap(\.modulePaths) where !targets.contains(path) { others.formUnion(suffixes(path)) }
        var chosen: Set<String> = []
        for path in targets.sorted() where !chosen.contains(where: { path == $0 || path.hasSuffix(".\($0)") }) {
            chosen.insert(suffixes(path).first { !others.contains($0) } ?? path)
        }
        return chosen.sorted()
    }
}
