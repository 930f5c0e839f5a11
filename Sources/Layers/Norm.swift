package import Kernels
package import Tensors

/// Normalisation of rows with a frozen weight, in float32.
package struct Norm: @unchecked Sendable {
    // Unchecked: read-only memory, kept alive by `owners`.

    package enum Kind: Sendable {
        /// w · x / sqrt(mean(x²) + ε): Zhang and Sennrich 2019, equation 4, with ε inside the root as every Llama-like
        /// model has it.
        case rootMeanSquare
        /// w · (x − mean) / sqrt(variance + ε) + b: Ba, Kiros and Hinton 2016, equation 3, with the biased variance.
        case layer
    }

    package let kind: Kind
    /// w [weightRows, C].
    package let weight: UnsafePointer<Float>
    /// b [weightRows, C], or nil.
    package let bias: UnsafePointer<Float>?
    /// C: what is normalised together. A matrix of n·C columns is n rows of C.
    package let width: Int
    /// Rows of the weight: one for all, or one for each of the n parts of a row.
    package let weightRows: Int
    package let epsilon: Float
    private let owners: [AnyObject]

    package init(
        kind: Kind, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?, width: Int, weightRows: Int = 1,
        epsilon: Float, owners: [AnyObject]
    ) {
        self.kind = kind
        self.weight = weight
        self.bias = bias
        self.width = width
        self.weightRows = weightRows
        self.epsilon = epsilon
        self.owners = owners
    }

    /// The pass that makes y [M, n·C] of x [M, n·C], which may be the same memory; the reciprocal root of each part goes to `reciprocals`
    /// [M·n], which backward needs.
    package func forward(
        _ x: FloatMatrix, into y: FloatMatrix, reciprocals: UnsafeMutablePointer<Float>, _ context: ComputeContext
    ) -> RowPass {
        let count = partCount(x), x = parts(x), y = parts(y)
        let pass =
            switch kind {
            case .rootMeanSquare:
                context.rmsNorm(
                    x, weight: weight, weightRows: weightRows, epsilon: epsilon, into: y, reciprocals: reciprocals)
            case .layer:
                context.layerNorm(
                    x, weight: weight, bias: bias, weightRows: weightRows, epsilon: epsilon, into: y,
                    reciprocals: reciprocals)
            }
        return pass.folded(count)
    }

    /// The pass that adds the gradient with respect to x to dX [M, n·C], or writes it there: then dX may be dY.
    package func backward(
        _ dY: FloatMatrix, x: FloatMatrix, reciprocals: UnsafePointer<Float>, into dX: FloatMatrix, adding: Bool,
        _ context: ComputeContext
    ) -> RowPass {
        let count = partCount(x), dY = parts(dY), x = parts(x), dX = parts(dX)
        let pass =
            switch kind {
            case .rootMeanSquare:
                context.rmsNormBackward(
                    dY, x: x, weight: weight, weightRows: weightRows, reciprocals: reciprocals, into: dX,
                    adding: adding)
            case .layer:
                context.layerNormBackward(
                    dY, x: x, weight: weight, weightRows: weightRows, reciprocals: reciprocals, into: dX,
                    adding: adding)
            }
        return pass.folded(count)
    }

    /// The same numbers with the width of the norm as columns.
    private func parts(_ x: FloatMatrix) -> FloatMatrix {
        let count = partCount(x)
        return count == 1 ? x : FloatMatrix(base: x.base, rows: x.rows * count, columns: width)
    }

    /// n.
    private func partCount(_ x: FloatMatrix) -> Int {
        guard x.columns == width || x.isContiguous && x.columns.isMultiple(of: width) else {
            fatalError("rows of \(x.columns) elements are not parts of \(width)")
        }
        return x.columns / width
    }
}
