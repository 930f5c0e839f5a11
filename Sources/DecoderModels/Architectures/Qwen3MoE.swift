internal import System

extension Architecture {
    /// Qwen3-30B-A3B and 235B-A22B: Qwen3 with experts. A sliding window, where it is on, is that of all layers.
    static let qwen3MoE = Architecture(
        modelType: "qwen3_moe",
        names: {
            var names = WeightNames()
            names.queryNorm = "self_attn.q_norm"
            names.keyNorm = "self_attn.k_norm"
            return names
        }(),
        defaultMaximumPositions: 32768,
        refine: { (reader, model) throws(Failure) in
            model.experts = try ExpertsDesign(
                reader, countField: "num_experts",
                width: try reader.integer("moe_intermediate_size", in: 1...1 << 22, default: 768),
                normalizes: try reader.bool("norm_topk_prob", default: false), layerCount: model.layerCount,
                skipsLayers: true, auxiliaryCoefficient: 0.001)
            model.headNorm = HeadNorm(.rootMeanSquare, .head)
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: false), feedForward: false)
            model.windows = try reader.switchedWindows(count: model.layerCount) { _ in true }
        })
}
