internal import System

/// The experts of a mixture: how many, how a router chooses among them, which layers have them, and where their modules are.
package struct ExpertsDesign: Sendable {
    /// E.
    package let count: Int
    /// k, the experts of a token.
    package let perToken: Int
    /// F, width of an expert.
    package let width: Int
    /// The weights of a token's experts are divided by their sum.
    package let normalizes: Bool
    /// For each layer, whether experts stand in the place of its feed-forward layer.
    package let layers: [Bool]
    /// What the routers' auxiliary loss is multiplied with where it is on, and whether config.json switches it on.
    package let auxiliaryCoefficient: Double
    package let hasAuxiliaryLoss: Bool
    /// Width of the expert that every token goes through, 0 without one.
    package var sharedWidth = 0
    package var names = ExpertNames()

    /// Reads the fields that all families have.
    ///
    /// - Parameters:
    ///   - countField: the name of the number of experts; `num_local_experts` and `num_experts` are both read.
    ///   - skipsLayers: whether the family has `decoder_sparse_step` and `mlp_only_layers`.
    init(
        _ reader: ConfigurationReader, countField: String, width: Int, normalizes: Bool, layerCount: Int,
        skipsLayers: Bool, auxiliaryCoefficient: Double
    ) throws(Failure) {
        let field = [countField, "num_experts", "num_local_experts"].first { reader.value($0) != nil } ?? countField
        count = try reader.integer(field, in: 1...1 << 12)
        let chosen = try reader.integer("num_experts_per_tok", in: 1...1 << 12)
        guard chosen <= count else {
            throw Failure(
                .badData, "num_experts_per_tok is \(chosen), and there are \(count) experts (\(field))",
                at: reader.place("num_experts_per_tok"), remedy: "Restore config.json from the original model")
        }
        perToken = chosen
        self.width = width
        self.normalizes = normalizes
        hasAuxiliaryLoss = try reader.bool("output_router_logits", default: false)
        self.auxiliaryCoefficient = try reader.number(
            "router_aux_loss_coef", in: 0...1e6, default: auxiliaryCoefficient)
        layers = try skipsLayers ? reader.sparseLayers(count: layerCount) : Array(repeating: true, count: layerCount)
        guard layers.contains(true) else {
            throw Failure(
                .badData, "no layer has experts by decoder_sparse_step and mlp_only_layers",
                at: reader.place("decoder_sparse_step"), remedy: "Restore config.json from the original model")
        }
    }
}

/// The paths of a mixture's modules, relative to a layer.
package struct ExpertNames: Sendable {
    /// The router [E, C] and the experts, in transformers 5. Stacked experts are the parameters `gate_up_proj`
    /// [E, 2F, C] and `down_proj` [E, C, F] of the latter.
    package var router = "mlp.gate"
    package var experts = "mlp.experts"
    /// The same in transformers 4 and in files: an index and the name of a projection follow the experts' path.
    package var oldRouter = "mlp.gate"
    package var oldExperts = "mlp.experts"
    package var gate = "gate_proj"
    package var up = "up_proj"
    package var down = "down_proj"
    /// The expert for all tokens, and the projection [1, C] whose sigmoid its result is multiplied with; nil without.
    package var shared: String?
    package var sharedGate: String?

    package static let stackedGateUp = "gate_up_proj"
    package static let stackedDown = "down_proj"
}

extension ConfigurationReader {
    /// Which layers have experts: those whose number, from 1, is a multiple of `decoder_sparse_step` and that
    /// `mlp_only_layers` does not list.
    fileprivate func sparseLayers(count: Int) throws(Failure) -> [Bool] {
        let step = try integer("decoder_sparse_step", in: 1...1 << 12, default: 1)
        var layers = (1...count).map { $0.isMultiple(of: step) }
        guard let value = value("mlp_only_layers") else { return layers }
        guard let elements = value.array else {
            throw Failure(
                .badData, "mlp_only_layers is \(value.kindName): a list of layers is expected",
                at: place("mlp_only_layers"), remedy: "Restore config.json from the original model")
        }
        for element in elements {
            guard let layer = element.integer, layer >= 0, layer < count else {
                throw Failure(
                    .badData, "mlp_only_layers lists what is no layer of \(count), counted from 0",
                    at: place("mlp_only_layers"), remedy: "Restore config.json from the original model")
            }
            layers[layer] = false
        }
        return layers
    }
}
