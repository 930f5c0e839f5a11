package import System

/// `longrope`: every frequency divided by a factor of its own, one list for sequences within the trained length and
/// another for longer ones; scores are scaled (Ding et al. 2024; Phi-3).
package struct LongRotary: RotaryScheme {
    package static let name = "longrope"
    package let attentionScaling: Float
    private let trainedPositions: Double
    private let short: [Float]
    private let long: [Float]

    package init(_ parameters: RotaryParameters) throws(Failure) {
        trainedPositions = try parameters.trainedPositions()
        let factor = try parameters.extensionFactor()
        let inferred =
            factor <= 1 ? 1 : (1 + naturalLogarithm(factor) / naturalLogarithm(trainedPositions)).squareRoot()
        attentionScaling = Float(try parameters.optionalPositive("attention_factor") ?? inferred)
        guard attentionScaling.isFinite, attentionScaling > 0 else {
            throw Failure(
                .badData, "original_max_position_embeddings \(trainedPositions) gives no scaling of attention",
                at: parameters.place("original_max_position_embeddings"),
                remedy: "Restore config.json from the original model")
        }
        let plain = parameters.plainFrequencies()
        short = zip(plain, try parameters.factors("short_factor")).map { $0 / $1 }
        long = zip(plain, try parameters.factors("long_factor")).map { $0 / $1 }
    }

    package func frequencySet(length: Int) -> Int { Double(length) > trainedPositions ? 1 : 0 }

    package func inverseFrequencies(length: Int) -> [Float] { frequencySet(length: length) == 0 ? short : long }
}
