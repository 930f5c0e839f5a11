internal import System

extension Architecture {
    /// StableLM 3B, 2 1.6B, Zephyr and 2 12B: Llama with LayerNorm, a quarter of the channels rotated and, in the largest,
    /// parallel blocks and a norm for each head.
    static let stableLM = Architecture(
        modelType: "stablelm",
        fields: FieldNames(normEpsilon: "layer_norm_eps"),
        names: {
            var names = WeightNames()
            names.queryNorm = "self_attn.q_layernorm"
            names.keyNorm = "self_attn.k_layernorm"
            return names
        }(),
        defaultMaximumPositions: 4096, norm: .layer(hasBias: true), defaultNormEpsilon: 1e-5,
        rotary: RotaryDefaults(fraction: 0.25),
        refine: { (reader, model) throws(Failure) in
            let hasBias = try reader.bool("use_qkv_bias", default: false)
            model.biases = ProjectionBiases(query: hasBias, key: hasBias, value: hasBias)
            if try reader.bool("qk_layernorm", default: false) {
                model.headNorm = HeadNorm(.layer(hasBias: false), .modulePerHead)
            }
            model.isParallel = try reader.bool("use_parallel_residual", default: false)
            if model.isParallel { model.names.feedForwardNorm = nil }
        })
}
