internal import System

extension Architecture {
    /// Mistral 7B, Ministral, Nemo, Small: Llama with one window for all layers, 4096 where the file says nothing.
    static let mistral = Architecture(
        modelType: "mistral",
        defaultMaximumPositions: 131_072,
        refine: { (reader, model) throws(Failure) in
            let window = try reader.slidingWindow(default: 4096)
            model.windows = Array(repeating: window, count: model.layerCount)
        })
}
