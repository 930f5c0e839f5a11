package import Layers
package import System

extension ConfigurationReader {
    /// The rotary fields in the spelling of transformers 5 (`rope_parameters`) or of 4 (`rope_theta`, `rope_scaling`).
    package func rotary(headWidth: Int, maximumPositions: Int, defaultBase: Double) throws(Failure) -> RotaryParameters
    {
        if let value = value("rope_parameters") {
            guard let fields = value.object else {
                throw Failure(
                    .badData, "rope_parameters is \(value.kindName): an object is expected",
                    at: place("rope_parameters"), remedy: "Restore config.json from the original model")
            }
            return try rotary(
                fields, path: "rope_parameters", base: defaultBase, headWidth: headWidth,
                maximumPositions: maximumPositions)
        }
        let base = try positive("rope_theta", default: defaultBase)
        guard let scaling = value("rope_scaling") else {
            return try rotary(
                JSONObject(), path: "rope_scaling", base: base, headWidth: headWidth, maximumPositions: maximumPositions
            )
        }
        guard let fields = scaling.object else {
            throw Failure(
                .badData, "rope_scaling is \(scaling.kindName): an object or null is expected",
                at: place("rope_scaling"),
                remedy: "Restore config.json from the original model")
        }
        return try rotary(
            fields, path: "rope_scaling", base: base, headWidth: headWidth, maximumPositions: maximumPositions)
    }

    private func rotary(
        _ fields: JSONObject, path: String, base: Double, headWidth: Int, maximumPositions: Int
    ) throws(Failure) -> RotaryParameters {
        let reader = ConfigurationReader(fields: fields, file: file)
        // "type" is the spelling before transformers 4.43.
        let kind = try reader.string("rope_type", default: try reader.string("type", default: "default"))
        let theta = try reader.positive("rope_theta", default: base)
        let fraction = try reader.positive(
            "partial_rotary_factor", default: try positive("partial_rotary_factor", default: 1))
        guard fraction <= 1 else {
            throw Failure(
                .badData, "partial_rotary_factor is \(fraction), which is above 1", at: place("partial_rotary_factor"),
                remedy: "Restore config.json from the original model")
        }
        let width = Int(Double(headWidth) * fraction)
        guard width >= 2, width.isMultiple(of: 2) else {
            throw Failure(
                .badData, "\(width) rotated channels of a head: an even number of at least 2 is expected",
                at: place("head_dim"), remedy: "Restore config.json from the original model")
        }
        return RotaryParameters(
            kind: kind, base: theta, width: width, maximumPositions: maximumPositions, fields: fields, file: file,
            path: path)
    }
}
