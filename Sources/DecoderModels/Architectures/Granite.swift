internal import System

extension Architecture {
    /// Granite 3: Llama with multipliers of embeddings, scores, residual branches and logits.
    static let granite = Architecture(
        modelType: "granite",
        refine: { (reader, model) throws(Failure) in
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: false),
                feedForward: try reader.bool("mlp_bias", default: false))
            model.embeddingScale = Float(try reader.positive("embedding_multiplier", default: 1))
            model.residualScale = Float(try reader.positive("residual_multiplier", default: 1))
            model.logits.scale = Float(1 / (try reader.positive("logits_scaling", default: 1)))
            let scale = Float(try reader.positive("attention_multiplier", default: 1))
            model.attentionScales = Array(repeating: scale, count: model.layerCount)
        })
}
