internal import System

extension Architecture {
    /// Llama 1 to 3.2 and everything that is stored as them (TinyLlama, SmolLM, Yi, …).
    static let llama = Architecture(
        modelType: "llama",
        refine: { (reader, model) throws(Failure) in
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: false),
                feedForward: try reader.bool("mlp_bias", default: false))
        })
}
