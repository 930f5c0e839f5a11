/// A linear of the base model that an adapter may be attached to.
public struct AdapterSite: Sendable, Hashable {
    /// The module path in the base model, e.g. `model.layers.0.self_attn.q_proj`; of stacked experts the path of the
    /// parameter, e.g. `model.layers.0.mlp.experts.gate_up_proj`.
    public let path: String
    /// K, inputs.
    public let inputs: Int
    /// N, outputs.
    public let outputs: Int
    /// Where the site stands in a mixture of experts; nil for a linear that every token goes through.
    package let role: ExpertRole?

    /// The sites of a mixture of experts: one router, and the same experts in two spellings, of which an adapter uses one.
    package enum ExpertRole: Sendable, Hashable {
        /// The router: a linear to transformers 4, a parameter to transformers 5 and PEFT's `target_parameters`.
        ///
        /// - Parameter oldPath: its module path in transformers 4, where that is another.
        case router(oldPath: String?)
        /// A linear of one expert, as transformers 4 has it.
        case expert
        /// A parameter that stacks the matrices of E experts, as transformers 5 has it: E low-rank pairs.
        case stack(count: Int)
    }

    public init(path: String, inputs: Int, outputs: Int) {
        self.init(path: path, inputs: inputs, outputs: outputs, role: nil)
    }

    package init(path: String, inputs: Int, outputs: Int, role: ExpertRole?) {
        self.path = path
        self.inputs = inputs
        self.outputs = outputs
        self.role = role
    }

    /// Low-rank pairs at the site: E of stacked experts, 1 elsewhere.
    package var copies: Int {
        if case .stack(let count) = role { count } else { 1 }
    }

    /// The path that an entry of PEFT's `target_parameters` is compared with; nil for what is a module only.
    package var parameterPath: String? {
        switch role {
        case nil, .expert: nil
        case .router: path + ".weight"
        case .stack: path
        }
    }

    /// The paths that an entry of PEFT's `target_modules` is compared with.
    package var modulePaths: [String] {
        switch role {
        case nil, .expert: [path]
        case .router(let oldPath): [path] + (oldPath.map { [$0] } ?? [])
        case .stack: []
        }
    }

    /// The module of stacked experts, under which PEFT stores what it adds to them.
    package var stackModule: String? {
        guard case .stack = role else { return nil }
        return path.lastIndex(of: ".").map { String(path[..<$0]) }
    }
}
