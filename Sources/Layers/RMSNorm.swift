package import Kernels
package import Tensors

/// Root-mean-square normalisation with a frozen weight: y = w · x / sqrt(mean(x²) + ε), in float32.
///
/// Zhang and Sennrich 2019, equation 4, with ε inside the root as every Llama-like model has it.
package struct RMSNorm: @unchecked Sendable {
    // Unchecked: read-only memory, kept alive by `owner`.

    /// w [C].
    package let weight: UnsafePointer<Float>
    package let width: Int
    package let epsilon: Float
    private let owner: AnyObject?

    package init(weight: UnsafePointer<Float>, width: Int, epsilon: Float, owner: AnyObject?) {
        self.weight = weight
        self.width = width
        self.epsilon = epsilon
        self.owner = owner
    }

    /// y [M, C] from x [M, C]; the reciprocal root of each row goes to `reciprocals` [M], which backward needs.
    package func forward(
        _ x: FloatMatrix, into y: FloatMatrix, reciprocals: UnsafeMutablePointer<Float>, _ context: ComputeContext
    ) {
        context.rmsNorm(x, weight: weight, epsilon: epsilon, into: y, reciprocals: reciprocals)
    }

    /// Adds the gradient with respect to x to dX [M, C]:
    /// dx = r·(w∘dy − x·r²·mean(x∘w∘dy)), with r the reciprocal root of the row.
    package func backward(
        _ dY: FloatMatrix, x: FloatMatrix, reciprocals: UnsafePointer<Float>, addingTo dX: FloatMatrix,
        _ context: ComputeContext
    ) {
        context.rmsNormBackward(dY, x: x, weight: weight, reciprocals: reciprocals, into: dX, adding: true)
    }
}
