package import System

/// `llama3`: low frequencies are divided by a factor, high ones kept, those between blended (Llama 3.1).
package struct Llama3Rotary: RotaryScheme {
    package static let name = "llama3"
    private let frequencies: [Float]

    package init(_ parameters: RotaryParameters) throws(Failure) {
        let factor = Float(try parameters.positive("factor"))
        let low = Float(try parameters.positive("low_freq_factor"))
        let high = Float(try parameters.positive("high_freq_factor"))
        let original = Float(try parameters.trainedPositions())
        guard high > low else {
            throw Failure(
                .badData, "high_freq_factor \(high) must be greater than low_freq_factor \(low)",
                at: parameters.place("high_freq_factor"), remedy: "Restore config.json from the original model")
        }
        let lowWavelength = original / low, highWavelength = original / high
        frequencies = parameters.plainFrequencies().map { frequency in
            let wavelength = 2 * Float.pi / frequency
            if wavelength > lowWavelength { return frequency / factor }
            if wavelength < highWavelength { return frequency }
            let smooth = (original / wavelength - low) / (high - low)
            return (1 - smooth) * frequency / factor + smooth * frequency
        }
    }

    package func inverseFrequencies(length: Int) -> [Float] { frequencies }
}
