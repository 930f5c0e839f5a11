internal import System

extension Architecture {
    /// Gemma 2: norms around 1 before and behind attention and feed-forward, every other layer sliding, capped scores and
    /// logits, embeddings scaled by the root of the width (in float32; transformers rounds it to the model's type).
    static let gemma2 = Architecture(
        modelType: "gemma2",
        fields: .gemma, names: .gemma, tiesHeadByDefault: true, defaultMaximumPositions: 8192, defaultHeadWidth: 256,
        defaultActivation: "gelu_pytorch_tanh", norm: .rootMeanSquareAroundOne,
        refine: { (reader, model) throws(Failure) in
            try reader.readGemma(&model)
            let window = try reader.slidingWindow(default: 4096)
            let kinds = try reader.layerKinds(count: model.layerCount)
            model.windows = (0..<model.layerCount).map { layer in
                kinds.map { $0[layer] == .sliding } ?? layer.isMultiple(of: 2) ? window : nil
            }
            model.scoreCap = try reader.cap("attn_logit_softcapping", default: 50)
            model.logits.cap = try reader.cap("final_logit_softcapping", default: 30)
        })
}

extension Architecture.FieldNames {
    /// `hidden_act` of Gemma's files is ignored, as transformers does.
    static var gemma: Self {
        var fields = Self()
        fields.activation = "hidden_activation"
        return fields
    }
}

extension WeightNames {
    static var gemma: WeightNames {
        var names = WeightNames()
        names.attentionOutputNorm = "post_attention_layernorm"
        names.feedForwardNorm = "pre_feedforward_layernorm"
        names.feedForwardOutputNorm = "post_feedforward_layernorm"
        return names
    }
}

extension ConfigurationReader {
    /// What Gemma 2 and 3 share.
    func readGemma(_ model: inout DecoderConfiguration) throws(Failure) {
        try refuse("use_bidirectional_attention", unless: false, because: "attention to later tokens")
        model.biases = ProjectionBiases(attention: try bool("attention_bias", default: false), feedForward: false)
        model.embeddingScale = Float(model.width).squareRoot()
        let scalar = try positive("query_pre_attn_scalar", default: 256)
        model.attentionScales = Array(repeating: Float(1 / scalar.squareRoot()), count: model.layerCount)
    }

    /// A cap: the default where the field is absent, none where it is null.
    func cap(_ key: String, default fallback: Double?) throws(Failure) -> Float? {
        guard fields[key] != nil else { return fallback.map { Float($0) } }
        guard value(key) != nil else { return nil }
        return Float(try positive(key, default: 1))
    }
}
