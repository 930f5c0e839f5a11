package import System

/// `default`: the frequencies as they are.
package struct DefaultRotary: RotaryScheme {
    package static let name = "default"
    private let frequencies: [Float]

    package init(_ parameters: RotaryParameters) throws(Failure) { frequencies = parameters.plainFrequencies() }

    package func inverseFrequencies(length: Int) -> [Float] { frequencies }
}
