/// Under which names an adapter file holds the matrices of sites, and in what order of elements.
///
/// A linear has `path.lora_A.weight` [R, K] and `path.lora_B.weight` [N, R]. Of stacked experts PEFT wraps one parameter
/// after the other (0.21.2, `ParamWrapper`): the last of a module is stored under the module's own path, each before it
/// under one more `.base_layer`. Their A is [E·R, K], expert by expert; their B is [N, R·E], in which a column belongs to
/// expert `column mod E`.
struct StoredSites {
    private let paths: [String: String]

    /// - Parameter sites: all sites of the adapter, in the model's order.
    init(_ sites: [AdapterSite]) {
        var paths: [String: String] = [:], wrapped: [String: Int] = [:]
        for site in sites.reversed() {
            guard let module = site.stackModule else { continue }
            let depth = wrapped[module, default: 0]
            paths[site.path] = module + String(repeating: ".base_layer", count: depth)
            wrapped[module] = depth + 1
        }
        self.paths = paths
    }

    /// The path that the names of a site's matrices begin with.
    func path(_ site: AdapterSite) -> String { paths[site.path] ?? site.path }

    /// The shape of a stored matrix.
    static func shape(_ part: TensorPart, _ site: AdapterSite, rank: Int) -> [Int] {
        part == .a ? [site.copies * rank, site.inputs] : [site.outputs, rank * site.copies]
    }

    /// Where an element of a B as it is stored lies in that of an `AdapterSet`.
    ///
    /// - Parameter index: of the stored matrix, row-major.
    static func place(ofB index: Int, _ site: AdapterSite, rank: Int) -> Int {
        let (output, column) = index.quotientAndRemainder(dividingBy: rank * site.copies)
        let (component, copy) = column.quotientAndRemainder(dividingBy: site.copies)
        return (copy * site.outputs + output) * rank + component
    }
}
