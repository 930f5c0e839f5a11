internal import System

extension Architecture {
    /// GPT-2: learned positions, LayerNorm, biases everywhere, weights stored [inputs, outputs]. The first files leave
    /// `transformer.` out of the names and carry masks.
    static let gpt2 = Architecture(
        modelType: "gpt2",
        fields: FieldNames(
            width: "n_embd", layers: "n_layer", queryHeads: "n_head", feedForwardWidth: "n_inner",
            maximumPositions: "n_positions", activation: "activation_function", normEpsilon: "layer_norm_epsilon"),
        names: {
            var names = WeightNames(
                root: "transformer", embedding: "wte", positions: "wpe", layers: "h", finalNorm: "ln_f")
            names.inputNorm = "ln_1"
            names.feedForwardNorm = "ln_2"
            names.queryKeyValue = "attn.c_attn"
            names.output = "attn.c_proj"
            names.gate = "mlp.c_fc"
            names.up = nil
            names.down = "mlp.c_proj"
            names.buffers = ["attn.bias", "attn.masked_bias"]
            return names
        }(),
        tiesHeadByDefault: true, defaultMaximumPositions: 1024, feedForwardMultiple: 4, defaultActivation: "gelu_new",
        norm: .layer(hasBias: true), defaultNormEpsilon: 1e-5, rotary: nil,
        refine: { (reader, model) throws(Failure) in
            try reader.refuse("add_cross_attention", unless: false, because: "attention to an encoder")
            model.fusedHeads = .grouped
            model.storesTransposed = true
            model.biases = ProjectionBiases(attention: true, feedForward: true)
            let isScaled = try reader.bool("scale_attn_weights", default: true)
            let dividesByLayer = try reader.bool("scale_attn_by_inverse_layer_idx", default: false)
            model.attentionScales = model.attentionScales.enumerated().map { layer, scale in
                (isScaled ? scale : 1) / (dividesByLayer ? Float(layer + 1) : 1)
            }
        })
}
