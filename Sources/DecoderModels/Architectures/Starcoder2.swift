internal import System

extension Architecture {
    /// StarCoder2: Llama's attention with LayerNorm, biases and a feed-forward layer without gate.
    static let starcoder2 = Architecture(
        modelType: "starcoder2",
        fields: FieldNames(normEpsilon: "norm_epsilon"),
        names: {
            var names = WeightNames()
            names.gate = "mlp.c_fc"
            names.up = nil
            names.down = "mlp.c_proj"
            return names
        }(),
        tiesHeadByDefault: true, defaultMaximumPositions: 4096, defaultActivation: "gelu_pytorch_tanh",
        norm: .layer(hasBias: true), defaultNormEpsilon: 1e-5,
        refine: { (reader, model) throws(Failure) in
            let hasBias = try reader.bool("use_bias", default: true)
            model.biases = ProjectionBiases(attention: hasBias, feedForward: hasBias)
            let window = try reader.slidingWindow()
            model.windows = Array(repeating: window, count: model.layerCount)
        })
}
