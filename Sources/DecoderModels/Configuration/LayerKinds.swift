package import System

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

    /// `sliding_window`: the default where the field is absent, nil where it is null.
    package func slidingWindow(default fallback: Int? = nil) throws(Failure) -> Int? {
        guard fields["sliding_window"] != nil else { return fallback }
        guard value("sliding_window") != nil else { return nil }
        return try integer("sliding_window", in: 1...1 << 30)
    }

    /// The windows of layers that slide only where `use_sliding_window` says so: those of `layer_types`, else those that
    /// `isSliding` names.
    package func switchedWindows(count: Int, isSliding: (Int) throws(Failure) -> Bool) throws(Failure) -> [Int?] {
        guard try bool("use_sliding_window", default: false), let window = try slidingWindow() else {
            return Array(repeating: nil, count: count)
        }
        let kinds = try layerKinds(count: count)
        var windows: [Int?] = []
        for layer in 0..<count {
            let slides = if let kinds { kinds[layer] == .sliding } else { try isSliding(layer) }
            windows.append(slides ? window : nil)
        }
        return windows
    }
}
