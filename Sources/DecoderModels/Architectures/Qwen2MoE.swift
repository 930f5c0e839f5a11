internal import System

extension Architecture {
    /// Qwen1.5-MoE and Qwen2-57B: Qwen2 with experts, and one for all tokens behind a gate. Sliding windows, where they are
    /// on, are those of every other layer of the first `max_window_layers`.
    static let qwen2MoE = Architecture(
        modelType: "qwen2_moe",
        defaultMaximumPositions: 32768,
        refine: { (reader, model) throws(Failure) in
            var experts = try ExpertsDesign(
                reader, countField: "num_experts",
                width: try reader.integer("moe_intermediate_size", in: 1...1 << 22, default: 1408),
                normalizes: try reader.bool("norm_topk_prob", default: false), layerCount: model.layerCount,
                skipsLayers: true, auxiliaryCoefficient: 0.001)
            experts.sharedWidth = try reader.integer(
                "shared_expert_intermediate_size", in: 1...1 << 22, default: 5632)
            experts.names.shared = "mlp.shared_expert"
            experts.names.sharedGate = "mlp.shared_expert_gate"
            model.experts = experts
            let hasBias = try reader.bool("qkv_bias", default: true)
            model.biases = ProjectionBiases(query: hasBias, key: hasBias, value: hasBias)
            let slidingLayers = try reader.integer("max_window_layers", in: 0...1 << 12, default: 28)
            model.windows = try reader.switchedWindows(count: model.layerCount) {
                $0.isMultiple(of: 2) && $0 < slidingLayers
            }
        })
}
