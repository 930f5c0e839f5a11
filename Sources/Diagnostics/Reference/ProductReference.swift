package import Kernels
package import Tensors

/// A sum in double precision, and the sum of the magnitudes of its terms, which rounding errors are relative to.
package struct ReferenceSum {
    package private(set) var value: Double
    package private(set) var magnitude: Double

    package init(_ start: Double = 0) {
        value = start
        magnitude = abs(start)
    }

    package mutating func add(_ term: Double) {
        value += term
        magnitude += abs(term)
    }
}

/// Elements of products with a stored matrix, one by one from the definition, in double precision.
///
/// Under bfloat16 each input and each value code × scale is rounded once, to nearest even, as the products promise.
package struct ProductReference {
    package let weight: SampleWeight
    package let computeType: ComputeType

    package init(_ weight: SampleWeight, computeType: ComputeType) {
        self.weight = weight
        self.computeType = computeType
    }

    private func rounded(_ value: Float) -> Double {
        Double(computeType == .bfloat16 ? roundedToBFloat16(value) : value)
    }

    /// Y[row, output] = start + sum over k of X[row, k] · W[output, k].
    package func forward(_ x: FloatMatrix, row: Int, output: Int, from start: Double) -> ReferenceSum {
        let columns = weight.matrix.columns
        var sum = ReferenceSum(start)
        for k in 0..<columns { sum.add(rounded(x.row(row)[k]) * rounded(weight.values[output * columns + k])) }
        return sum
    }

    /// dX[row, column] = start + sum over n of dY[row, n] · W[n, column].
    package func inputGradient(_ dY: FloatMatrix, row: Int, column: Int, from start: Double) -> ReferenceSum {
        let columns = weight.matrix.columns
        var sum = ReferenceSum(start)
        for n in 0..<weight.matrix.rows {
            sum.add(rounded(dY.row(row)[n]) * rounded(weight.values[n * columns + column]))
        }
        return sum
    }

    /// `forward` as the products of few rows round it: words of codes are multiplied unscaled.
    package func forwardFewRows(_ x: FloatMatrix, row: Int, output: Int, from start: Double) -> ReferenceSum {
        guard weight.isMultipliedUnscaled else { return forward(x, row: row, output: output, from: start) }
        let columns = weight.matrix.columns
        var sum = ReferenceSum(start)
        for k in 0..<columns {
            let place = output * columns + k
            sum.add(rounded(x.row(row)[k]) * rounded(weight.unscaled[place]) * Double(weight.scales[place]))
        }
        return sum
    }
}
