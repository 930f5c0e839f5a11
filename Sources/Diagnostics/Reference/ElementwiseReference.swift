internal import Glibc

/// Rows of norms, gates and losses in double precision, straight from their definitions.
package enum ElementwiseReference {
    /// r = 1 / sqrt(mean(x²) + epsilon).
    package static func reciprocal(_ x: [Double], epsilon: Double) -> Double {
        1 / (x.reduce(0) { $0 + $1 * $1 } / Double(x.count) + epsilon).squareRoot()
    }

    /// weight * x * r.
    package static func rmsNorm(_ x: [Double], weight: [Double], epsilon: Double) -> [Double] {
        let r = reciprocal(x, epsilon: epsilon)
        return zip(x, weight).map { $0 * $1 * r }
    }

    /// r * (weight * dY - x * r² * mean(weight * dY * x)).
    package static func rmsNormGradient(_ dY: [Double], x: [Double], weight: [Double], epsilon: Double) -> [Double] {
        let r = reciprocal(x, epsilon: epsilon)
        let scaled = zip(dY, weight).map { $0 * $1 }
        let mean = zip(scaled, x).reduce(0) { $0 + $1.0 * $1.1 } / Double(x.count)
        return zip(scaled, x).map { r * ($0 - $1 * r * r * mean) }
    }

    /// z = (x - mean(x)) * r with r = 1 / sqrt(variance(x) + epsilon), the biased variance.
    private static func standardized(_ x: [Double], epsilon: Double) -> (z: [Double], r: Double) {
        let mean = x.reduce(0, +) / Double(x.count)
        let centered = x.map { $0 - mean }
        let r = reciprocal(centered, epsilon: epsilon)
        return (centered.map { $0 * r }, r)
    }

    /// weight * z + bias.
    package static func layerNorm(_ x: [Double], weight: [Double], bias: [Double], epsilon: Double) -> [Double] {
        let z = standardized(x, epsilon: epsilon).z
        return x.indices.map { weight[$0] * z[$0] + bias[$0] }
    }

    /// r * (g - mean(g) - z * mean(g * z)) with g = weight * dY.
    package static func layerNormGradient(_ dY: [Double], x: [Double], weight: [Double], epsilon: Double) -> [Double] {
        let (z, r) = standardized(x, epsilon: epsilon)
        let scaled = zip(dY, weight).map { $0 * $1 }
        let mean = scaled.reduce(0, +) / Double(x.count)
        let slope = zip(scaled, z).reduce(0) { $0 + $1.0 * $1.1 } / Double(x.count)
        return zip(scaled, z).map { r * ($0 - mean - $1 * slope) }
    }

    /// ln of the sum of the exponentials.
    package static func logSumExp(_ x: [Double]) -> Double {
        let largest = x.reduce(-Double.infinity, max)
        return largest + log(x.reduce(0) { $0 + exp($1 - largest) })
    }

    /// A softmax probability.
    package static func probability(_ x: Double, logSumExp: Double) -> Double { exp(x - logSumExp) }
}
