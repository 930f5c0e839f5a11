internal import System

extension Architecture {
    /// Phi-3, Phi-3.5 and Phi-4: one projection for queries, keys and values and one for gate and up; files say `su` or
    /// `yarn` and mean `longrope`.
    static let phi3 = Architecture(
        modelType: "phi3",
        names: {
            var names = WeightNames()
            names.queryKeyValue = "self_attn.qkv_proj"
            names.listsOutputFirst = true
            names.gateUp = "mlp.gate_up_proj"
            return names
        }(),
        defaultMaximumPositions: 4096, defaultNormEpsilon: 1e-5,
        rotary: RotaryDefaults(kindAliases: ["su": "longrope", "yarn": "longrope"]),
        refine: { (reader, model) throws(Failure) in
            model.fusedHeads = .grouped
            let window = try reader.slidingWindow()
            model.windows = Array(repeating: window, count: model.layerCount)
        })
}
