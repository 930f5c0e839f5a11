package import System

/// `yarn`: low frequencies are divided by a factor, high ones kept, a ramp between; scores are scaled (Peng et al. 2023,
/// sections 3.2 to 3.4, with the corrections of transformers' `_compute_yarn_parameters`).
package struct YarnRotary: RotaryScheme {
    package static let name = "yarn"
    package let attentionScaling: Float
    private let frequencies: [Float]

    package init(_ parameters: RotaryParameters) throws(Failure) {
        let factor = try parameters.extensionFactor()
        attentionScaling = Float(try Self.scaling(parameters, factor))
        let original = try parameters.trainedPositions(), width = Double(parameters.width), base = parameters.base
        guard base != 1 else {
            throw Failure(
                .badData, "the rotary embedding \"yarn\" needs a rope_theta other than 1",
                at: parameters.place("rope_theta"), remedy: "Restore config.json from the original model")
        }
        /// The channel whose angle makes that many turns over the trained positions.
        func channel(turns: Double) -> Double {
            width * naturalLogarithm(original / (turns * 2 * .pi)) / (2 * naturalLogarithm(base))
        }
        var low = channel(turns: try parameters.optionalPositive("beta_fast") ?? 32)
        var high = channel(turns: try parameters.optionalPositive("beta_slow") ?? 1)
        if parameters.fields["truncate"]?.bool ?? true {
            low = low.rounded(.down)
            high = high.rounded(.up)
        }
        low = max(low, 0)
        high = min(high, width - 1)
        if low == high { high += 0.001 }
        frequencies = parameters.plainFrequencies().enumerated().map { index, frequency in
            let ramp = Float(min(max((Double(index) - low) / (high - low), 0), 1))
            let kept = 1 - ramp
            return frequency / Float(factor) * (1 - kept) + frequency * kept
        }
    }

    /// `attention_factor`, else 0.1·m·ln(factor) + 1 of `mscale` over that of `mscale_all_dim`, else that with m = 1.
    private static func scaling(_ parameters: RotaryParameters, _ factor: Double) throws(Failure) -> Double {
        if let given = try parameters.optionalPositive("attention_factor") { return given }
        func magnitude(_ scale: Double) -> Double {
            factor <= 1 ? 1 : 0.1 * scale * naturalLogarithm(factor) + 1
        }
        let scale = parameters.fields["mscale"]?.double ?? 0, all = parameters.fields["mscale_all_dim"]?.double ?? 0
        return scale != 0 && all != 0 ? magnitude(scale) / magnitude(all) : magnitude(1)
    }

    package func inverseFrequencies(length: Int) -> [Float] { frequencies }
}
