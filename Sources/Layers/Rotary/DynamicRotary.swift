package import System

/// `dynamic`: the base grows with the sequence once it is longer than `max_position_embeddings` (dynamic NTK scaling):
/// base′ = base·(factor·L / P − (factor − 1))^(D / (D − 2)).
package struct DynamicRotary: RotaryScheme {
    package static let name = "dynamic"
    private let parameters: RotaryParameters
    private let factor: Double
    private let frequencies: [Float]

    package init(_ parameters: RotaryParameters) throws(Failure) {
        self.parameters = parameters
        factor = try parameters.positive("factor")
        guard parameters.width > 2 else {
            throw Failure(
                .badData, "the rotary embedding \"dynamic\" needs a head width above 2, not \(parameters.width)",
                at: parameters.place("rope_type"), remedy: "Restore config.json from the original model")
        }
        frequencies = parameters.plainFrequencies()
    }

    package func frequencySet(length: Int) -> Int { length > parameters.maximumPositions ? length : 0 }

    package func inverseFrequencies(length: Int) -> [Float] {
        guard length > parameters.maximumPositions else { return frequencies }
        let width = Double(parameters.width)
        let growth = factor * Double(length) / Double(parameters.maximumPositions) - (factor - 1)
        return parameters.plainFrequencies(base: parameters.base * power(growth, width / (width - 2)))
    }
}
