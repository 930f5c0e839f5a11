internal import System

extension Architecture {
    /// Falcon 7B, 11B, 40B and 180B: parallel blocks, one key/value head or few; position by ALiBi (Falcon RW) is refused.
    static let falcon = Architecture(
        modelType: "falcon",
        fields: FieldNames(
            keyValueHeads: "num_kv_heads", feedForwardWidth: "ffn_hidden_size", activation: "activation",
            normEpsilon: "layer_norm_epsilon"),
        names: {
            var names = WeightNames(root: "transformer", embedding: "word_embeddings", layers: "h", finalNorm: "ln_f")
            names.queryKeyValue = "self_attention.query_key_value"
            names.output = "self_attention.dense"
            names.gate = "mlp.dense_h_to_4h"
            names.up = nil
            names.down = "mlp.dense_4h_to_h"
            return names
        }(),
        tiesHeadByDefault: true, feedForwardMultiple: 4, defaultActivation: "gelu", norm: .layer(hasBias: true),
        defaultNormEpsilon: 1e-5,
        refine: { (reader, model) throws(Failure) in
            try reader.refuse("alibi", unless: false, because: "position by linear biases")
            let isNew = try reader.bool("new_decoder_architecture", default: false)
            if !isNew {
                model.keyValueHeads =
                    try reader.bool("multi_query", default: true) ? 1 : model.queryHeads
            }
            model.fusedHeads = .interleaved
            model.isQuantizedByTransformers = false
            model.isParallel = try reader.bool("parallel_attn", default: true) || isNew
            let hasBias = try reader.bool("bias", default: false)
            model.biases = ProjectionBiases(attention: hasBias, feedForward: hasBias)
            let normCount = try reader.integer("num_ln_in_parallel_attn", in: 1...2, default: isNew ? 2 : 1)
            if model.isParallel, normCount == 2 {
                model.names.inputNorm = "ln_attn"
                model.names.feedForwardNorm = "ln_mlp"
            } else if model.isParallel {
                model.names.feedForwardNorm = nil
            }
        })
}
