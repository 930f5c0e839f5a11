internal import System

extension Architecture {
    /// Llama 1 to 3.2 and everything that is stored as them (TinyLlama, SmolLM, Yi, …).
    static let llama = Architecture(
        modelType: "llama",
        tiesHeadByDefault: false,
        defaultMaximumPositions: 2048,
        biases: { (reader) throws(Failure) in
            let attention = try reader.bool("attention_bias", default: false)
            return ProjectionBiases(
                query: attention, key: attention, value: attention, output: attention,
                feedForward: try reader.bool("mlp_bias", default: false))
        },
        windows: { (_, count) throws(Failure) in Array(repeating: nil, count: count) })
}
