package import System

extension Architecture {
    /// Qwen2 and Qwen2.5: biases on queries, keys and values; from `max_window_layers` on a sliding window, if it is on.
    static let qwen2 = Architecture(
        modelType: "qwen2",
        tiesHeadByDefault: false,
        defaultMaximumPositions: 32768,
        biases: { (_) throws(Failure) in
            ProjectionBiases(query: true, key: true, value: true, output: false, feedForward: false)
        },
        windows: { (reader, count) throws(Failure) in
            guard try reader.bool("use_sliding_window", default: false), reader.value("sliding_window") != nil else {
                return Array(repeating: nil, count: count)
            }
            let window = try reader.integer("sliding_window", in: 1...1 << 30)
            if let kinds = try reader.layerKinds(count: count) {
                return kinds.map { $0 == .sliding ? window : nil }
            }
            let first = try reader.integer("max_window_layers", in: 0...1 << 12, default: 28)
            return (0..<count).map { $0 >= first ? window : nil }
        })
}

/// What a layer attends to.
package enum LayerKind: String, Sendable {
    case full = "full_attention"
    case sliding = "sliding_attention"
}

extension ConfigurationReader {
    /// `layer_types` of transformers 5: one kind for each layer; nil where the field is absent.
    package func layerKinds(count: Int) throws(Failure) -> [LayerKind]? {
        guard let value = value("layer_types") else { return nil }
        guard let names = value.array, names.count == count else {
            throw Failure(
                .badData, "layer_types must list one kind for each of the \(count) layers", at: place("layer_types"),
                remedy: "Restore config.json from the original model")
        }
        var kinds: [LayerKind] = []
        for name in names {
            guard let text = name.string, let kind = LayerKind(rawValue: text) else {
                throw Failure(
                    .unsupported, "layer_types holds \(name.string.map { "\"\($0)\"" } ?? name.kindName)",
                    at: place("layer_types"), remedy: "Supported are full_attention and sliding_attention")
            }
            kinds.append(kind)
        }
        return kinds
    }
}
