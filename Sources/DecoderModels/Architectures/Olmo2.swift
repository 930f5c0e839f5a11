internal import System

extension Architecture {
    /// OLMo 2: norms behind attention and feed-forward only, and of all queries and all keys together.
    static let olmo2 = Architecture(
        modelType: "olmo2",
        names: {
            var names = WeightNames()
            names.inputNorm = nil
            names.attentionOutputNorm = "post_attention_layernorm"
            names.feedForwardNorm = nil
            names.feedForwardOutputNorm = "post_feedforward_layernorm"
            names.queryNorm = "self_attn.q_norm"
            names.keyNorm = "self_attn.k_norm"
            return names
        }(),
        defaultNormEpsilon: 1e-5,
        refine: { (reader, model) throws(Failure) in
            model.headNorm = HeadNorm(.rootMeanSquare, .allHeads)
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: false), feedForward: false)
        })
}
