internal import Kernels
internal import System

extension Architecture {
    /// Command R: attention and feed-forward in parallel on one LayerNorm without bias, neighbouring channels rotated
    /// together, scaled logits.
    static let cohere = Architecture(
        modelType: "cohere",
        fields: FieldNames(normEpsilon: "layer_norm_eps"),
        names: {
            var names = WeightNames()
            names.feedForwardNorm = nil
            names.queryNorm = "self_attn.q_norm"
            names.keyNorm = "self_attn.k_norm"
            return names
        }(),
        tiesHeadByDefault: true, defaultMaximumPositions: 8192, norm: .layer(hasBias: false), defaultNormEpsilon: 1e-5,
        rotary: RotaryDefaults(base: 500_000),
        refine: { (reader, model) throws(Failure) in
            model.isParallel = true
            model.rotaryPairing = .neighbours
            model.logits.scale = Float(try reader.positive("logit_scale", default: 0.0625))
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: false), feedForward: false)
            if try reader.bool("use_qk_norm", default: false) {
                model.headNorm = HeadNorm(.layer(hasBias: false), .ownHead)
            }
        })
}
