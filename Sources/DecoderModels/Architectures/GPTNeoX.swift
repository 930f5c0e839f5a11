internal import System

extension Architecture {
    /// GPT-NeoX and Pythia: attention and feed-forward in parallel, queries, keys and values of each head together, a
    /// quarter of the channels rotated.
    static let gptNeoX = Architecture(
        modelType: "gpt_neox",
        fields: FieldNames(normEpsilon: "layer_norm_eps"),
        names: {
            var names = WeightNames(
                root: "gpt_neox", embedding: "embed_in", finalNorm: "final_layer_norm", head: "embed_out")
            names.queryKeyValue = "attention.query_key_value"
            names.output = "attention.dense"
            names.gate = "mlp.dense_h_to_4h"
            names.up = nil
            names.down = "mlp.dense_4h_to_h"
            names.buffers = ["attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq"]
            return names
        }(),
        defaultActivation: "gelu", norm: .layer(hasBias: true), defaultNormEpsilon: 1e-5,
        rotary: RotaryDefaults(baseField: "rotary_emb_base", fractionField: "rotary_pct", fraction: 0.25),
        refine: { (reader, model) throws(Failure) in
            model.fusedHeads = .interleaved
            model.isParallel = try reader.bool("use_parallel_residual", default: true)
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: true), feedForward: true)
        })
}
