package import Layers
package import System

extension ConfigurationReader {
    /// The rotary fields in the spelling of transformers 5 (`rope_parameters`) or of 4 (`rope_theta`, `rope_scaling`).
    package func rotary(
        headWidth: Int, maximumPositions: Int, _ defaults: Architecture.RotaryDefaults
    ) throws(Failure) -> RotaryParameters {
        if let fields = try object("rope_parameters", or: "") {
            return try rotary(
                fields, path: "rope_parameters", headWidth: headWidth, maximumPositions: maximumPositions, defaults)
        }
        return try rotary(
            try object("rope_scaling", or: " or null") ?? JSONObject(), path: "rope_scaling", headWidth: headWidth,
            maximumPositions: maximumPositions, defaults)
    }

    /// The rotary fields of the layers of one kind, where each kind has its own: under the kind's name in
    /// `rope_parameters`, or the family's fields of transformers 4.
    ///
    /// - Parameter isScaled: whether `rope_scaling` of the old spelling is meant for these layers.
    package func rotary(
        of kind: LayerKind, isScaled: Bool, headWidth: Int, maximumPositions: Int,
        _ defaults: Architecture.RotaryDefaults
    ) throws(Failure) -> RotaryParameters {
        if let kinds = try object("rope_parameters", or: "") {
            let reader = ConfigurationReader(fields: kinds, file: file)
            return try rotary(
                try reader.object(kind.rawValue, or: "") ?? JSONObject(), path: "rope_parameters.\(kind.rawValue)",
                headWidth: headWidth, maximumPositions: maximumPositions, defaults)
        }
        let scaling = isScaled ? try object("rope_scaling", or: " or null") : nil
        return try rotary(
            scaling ?? JSONObject(), path: "rope_scaling", headWidth: headWidth, maximumPositions: maximumPositions,
            defaults)
    }

    private func object(_ key: String, or alternative: String) throws(Failure) -> JSONObject? {
        guard let value = value(key) else { return nil }
        guard let fields = value.object else {
            throw Failure(
                .badData, "\(key) is \(value.kindName): an object\(alternative) is expected", at: place(key),
                remedy: "Restore config.json from the original model")
        }
        return fields
    }

    private func rotary(
        _ fields: JSONObject, path: String, headWidth: Int, maximumPositions: Int,
        _ defaults: Architecture.RotaryDefaults
    ) throws(Failure) -> RotaryParameters {
        let reader = ConfigurationReader(fields: fields, file: file)
        // "type" is the spelling before transformers 4.43.
        let kind = try reader.string("rope_type", default: try reader.string("type", default: "default"))
        let theta = try reader.positive(
            "rope_theta", default: try positive(defaults.baseField, default: defaults.base))
        let fraction = try reader.positive(
            "partial_rotary_factor", default: try positive(defaults.fractionField, default: defaults.fraction))
        guard fraction <= 1 else {
            throw Failure(
                .badData, "\(defaults.fractionField) is \(fraction), which is above 1",
                at: place(defaults.fractionField), remedy: "Restore config.json from the original model")
        }
        let width = Int(Double(headWidth) * fraction)
        guard width >= 2, width.isMultiple(of: 2) else {
            throw Failure(
                .badData, "\(width) rotated channels of a head: an even number of at least 2 is expected",
                at: place("head_dim"), remedy: "Restore config.json from the original model")
        }
        let originalKey = "original_max_position_embeddings"
        return RotaryParameters(
            kind: defaults.kindAliases[kind] ?? kind, base: theta, width: width, maximumPositions: maximumPositions,
            originalPositions: value(originalKey) == nil ? nil : try integer(originalKey, in: 2...1 << 30),
            fields: fields, file: file, path: path)
    }
}
