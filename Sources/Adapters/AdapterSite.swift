/// A linear of the base model that an adapter may be attached to.
public struct AdapterSite: Sendable, Hashable {
    /// The module path in the base model, e.g. `model.layers.0.self_attn.q_proj`.
    public let path: String
    /// K, inputs.
    public let inputs: Int
    /// N, outputs.
    public let outputs: Int

    public init(path: String, inputs: Int, outputs: Int) {
        self.path = path
        self.inputs = inputs
        self.outputs = outputs
    }
}
