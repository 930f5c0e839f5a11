package import System

/// `linear`: positions divided by a factor (Chen et al. 2023, position interpolation).
package struct LinearRotary: RotaryScheme {
    package static let name = "linear"
    private let frequencies: [Float]

    package init(_ parameters: RotaryParameters) throws(Failure) {
        let factor = Float(try parameters.positive("factor"))
        frequencies = parameters.plainFrequencies().map { $0 / factor }
    }

    package func inverseFrequencies(length: Int) -> [Float] { frequencies }
}
