internal import Layers
internal import System

extension Architecture {
    /// Gemma 3, text: five sliding layers to a full one, each kind with its rotary embedding; queries and keys normalised
    /// head by head.
    static let gemma3 = Architecture(
        modelType: "gemma3_text",
        fields: .gemma,
        names: {
            var names = WeightNames.gemma
            names.queryNorm = "self_attn.q_norm"
            names.keyNorm = "self_attn.k_norm"
            return names
        }(),
        tiesHeadByDefault: true, defaultMaximumPositions: 131_072, defaultHeadWidth: 256,
        defaultActivation: "gelu_pytorch_tanh", norm: .rootMeanSquareAroundOne, rotary: nil,
        refine: { (reader, model) throws(Failure) in
            try reader.readGemma(&model)
            model.headNorm = HeadNorm(.rootMeanSquareAroundOne, .head)
            model.scoreCap = try reader.cap("attn_logit_softcapping", default: nil)
            model.logits.cap = try reader.cap("final_logit_softcapping", default: nil)
            let pattern = try reader.integer("sliding_window_pattern", in: 1...1 << 12, default: 6)
            let kinds =
                try reader.layerKinds(count: model.layerCount)
                ?? (0..<model.layerCount).map { ($0 + 1).isMultiple(of: pattern) ? .full : .sliding }
            let window = try reader.slidingWindow(default: 4096)
            model.windows = kinds.map { $0 == .sliding ? window : nil }
            let local = try reader.rotary(
                of: .sliding, isScaled: false, headWidth: model.headWidth, maximumPositions: model.maximumPositions,
                RotaryDefaults(baseField: "rope_local_base_freq", base: 10_000))
            let global = try reader.rotary(
                of: .full, isScaled: true, headWidth: model.headWidth, maximumPositions: model.maximumPositions,
                RotaryDefaults(base: 1_000_000))
            model.rotaries = [
                RotaryChoice(parameters: local, scheme: try RotarySchemes.scheme(for: local)),
                RotaryChoice(parameters: global, scheme: try RotarySchemes.scheme(for: global)),
            ]
            model.rotaryOfLayer = kinds.map { $0 == .sliding ? 0 : 1 }
        })
}
