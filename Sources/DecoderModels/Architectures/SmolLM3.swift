internal import System

extension Architecture {
    /// SmolLM3: Llama with layers that rotate nothing, every fourth where `no_rope_layers` (1: the layer does rotate) does
    /// not say; those layers slide, if anything does.
    static let smolLM3 = Architecture(
        modelType: "smollm3",
        tiesHeadByDefault: true, defaultMaximumPositions: 32768,
        rotary: RotaryDefaults(base: 2_000_000),
        refine: { (reader, model) throws(Failure) in
            model.biases = ProjectionBiases(
                attention: try reader.bool("attention_bias", default: false),
                feedForward: try reader.bool("mlp_bias", default: false))
            let rotates = try reader.rotatingLayers(count: model.layerCount)
            model.rotaryOfLayer = rotates.map { $0 ? 0 : nil }
            model.windows = try reader.switchedWindows(count: model.layerCount) { (layer) throws(Failure) in
                !rotates[layer]
            }
        })
}

extension ConfigurationReader {
    /// Which layers rotate queries and keys.
    fileprivate func rotatingLayers(count: Int) throws(Failure) -> [Bool] {
        guard let value = value("no_rope_layers") else {
            let interval = try integer("no_rope_layer_interval", in: 1...1 << 12, default: 4)
            return (0..<count).map { !($0 + 1).isMultiple(of: interval) }
        }
        let flags = value.array?.map(\.integer) ?? []
        guard flags.count >= count, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
            throw Failure(
                .badData, "no_rope_layers must list 0 or 1 for each of the \(count) layers",
                at: place("no_rope_layers"), remedy: "Restore config.json from the original model")
        }
        return flags.prefix(count).map { $0 == 1 }
    }
}
