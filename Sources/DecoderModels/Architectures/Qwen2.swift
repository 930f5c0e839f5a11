internal import System

extension Architecture {
    /// Qwen2 and Qwen2.5: biases on queries, keys and values; from `max_window_layers` on a sliding window, if it is on.
    static let qwen2 = Architecture(
        modelType: "qwen2",
        defaultMaximumPositions: 32768,
        refine: { (reader, model) throws(Failure) in
            model.biases = ProjectionBiases(query: true, key: true, value: true)
            model.windows = try reader.qwenWindows(count: model.layerCount)
        })
}

extension ConfigurationReader {
    /// The windows of Qwen2 and Qwen3.
    func qwenWindows(count: Int) throws(Failure) -> [Int?] {
        try switchedWindows(count: count) { (layer) throws(Failure) in
            try layer >= integer("max_window_layers", in: 0...1 << 12, default: 28)
        }
    }
}
