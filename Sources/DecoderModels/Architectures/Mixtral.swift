internal import System

extension Architecture {
    /// Mixtral 8x7B and 8x22B: Mistral with experts in every layer, the weights of a token's divided by their sum.
    static let mixtral = Architecture(
        modelType: "mixtral",
        defaultMaximumPositions: 131_072, defaultNormEpsilon: 1e-5,
        rotary: RotaryDefaults(base: 1e6),
        refine: { (reader, model) throws(Failure) in
            var experts = try ExpertsDesign(
                reader, countField: "num_local_experts", width: model.feedForwardWidth, normalizes: true,
                layerCount: model.layerCount, skipsLayers: false, auxiliaryCoefficient: 0.001)
            experts.names.oldRouter = "block_sparse_moe.gate"
            experts.names.oldExperts = "block_sparse_moe.experts"
            (experts.names.gate, experts.names.up, experts.names.down) = ("w1", "w3", "w2")
            model.experts = experts
            model.windows = Array(repeating: try reader.slidingWindow(), count: model.layerCount)
        })
}
