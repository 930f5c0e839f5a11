internal import System

extension Architecture {
    /// OLMoE: experts in every layer, queries and keys normalised all heads together; clipped projections are refused.
    static let olmoE = Architecture(
        modelType: "olmoe",
        names: {
            var names = WeightNames()
            names.queryNorm = "self_attn.q_norm"
            names.keyNorm = "self_attn.k_norm"
            return names
        }(),
        defaultMaximumPositions: 4096, defaultNormEpsilon: 1e-5,
        refine: { (reader, model) throws(Failure) in
            guard reader.value("clip_qkv") == nil else {
                throw Failure(
                    .unsupported, "clip_qkv limits queries, keys and values, which is not supported",
                    at: reader.place("clip_qkv"), remedy: "Use a model of this type without it")
            }
            model.experts = try ExpertsDesign(
                reader, countField: "num_experts", width: model.feedForwardWidth,
                normalizes: try reader.bool("norm_topk_prob", default: false), layerCount: model.layerCount,
                skipsLayers: false, auxiliaryCoefficient: 0.01)
            model.headNorm = HeadNorm(.rootMeanSquare, .allHeads)
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: false), feedForward: false)
        })
}
