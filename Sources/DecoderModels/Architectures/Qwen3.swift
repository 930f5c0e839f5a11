internal import System

extension Architecture {
    /// Qwen3: heads of 128 channels whatever the width, queries and keys normalised head by head.
    static let qwen3 = Architecture(
        modelType: "qwen3",
        names: {
            var names = WeightNames()
            names.queryNorm = "self_attn.q_norm"
            names.keyNorm = "self_attn.k_norm"
            return names
        }(),
        defaultMaximumPositions: 32768, defaultHeadWidth: 128,
        refine: { (reader, model) throws(Failure) in
            model.headNorm = HeadNorm(.rootMeanSquare, .head)
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: false), feedForward: false)
            model.windows = try reader.qwenWindows(count: model.layerCount)
        })
}
