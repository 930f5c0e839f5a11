internal import Glibc
package import Kernels

/// Activations in double precision, straight from their definitions.
package enum ActivationReference {
    package static func value(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .silu: x / (1 + exp(-x))
        case .gelu: 0.5 * x * erfc(-x / 2.squareRoot())
        case .geluTanh: 0.5 * x * (1 + tanh(inner(x)))
        }
    }

    /// The derivative of `value`.
    package static func slope(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .silu:
            let sigmoid = 1 / (1 + exp(-x))
            return sigmoid * (1 + x * (1 - sigmoid))
        case .gelu:
            return 0.5 * erfc(-x / 2.squareRoot()) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
        case .geluTanh:
            let ratio = tanh(inner(x))
            return 0.5 * (1 + ratio)
                + 0.5 * x * (1 - ratio * ratio) * (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
        }
    }

    private static func inner(_ x: Double) -> Double { (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x) }
}
