internal import System

extension Architecture {
    /// Phi-1, 1.5 and 2: attention and feed-forward in parallel on one LayerNorm, biases everywhere, the head's too, half
    /// of the channels rotated.
    static let phi = Architecture(
        modelType: "phi",
        fields: FieldNames(normEpsilon: "layer_norm_eps"),
        names: {
            var names = WeightNames(finalNorm: "final_layernorm", headHasBias: true)
            names.feedForwardNorm = nil
            names.queryNorm = "self_attn.q_layernorm"
            names.keyNorm = "self_attn.k_layernorm"
            names.output = "self_attn.dense"
            names.gate = "mlp.fc1"
            names.up = nil
            names.down = "mlp.fc2"
            return names
        }(),
        defaultActivation: "gelu_new", norm: .layer(hasBias: true), defaultNormEpsilon: 1e-5,
        rotary: RotaryDefaults(fraction: 0.5),
        refine: { (reader, model) throws(Failure) in
            model.isParallel = true
            model.biases = ProjectionBiases(attention: true, feedForward: true)
            if try reader.bool("qk_layernorm", default: false) {
                model.headNorm = HeadNorm(.layer(hasBias: true), .head)
            }
        })
}
