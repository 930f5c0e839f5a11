package import Kernels
package import Tensors

/// y = x·Wᵀ + b with a frozen W: the matrix stays as it lies in its file.
package struct FrozenLinear: @unchecked Sendable {
    // Unchecked: read-only memory, kept alive by `owner`.

    /// W [N, K], or its transpose [K, N].
    package let matrix: StoredMatrix
    /// Whether the matrix is stored [K, N] = [inputs, outputs], as GPT-2 has it.
    package let isTransposed: Bool
    /// b [N], or nil.
    package let bias: UnsafePointer<Float>?
    /// Keeps the memory behind the pointers alive.
    private let owner: [AnyObject]

    package init(
        matrix: StoredMatrix, isTransposed: Bool = false, bias: UnsafePointer<Float>? = nil, owner: [AnyObject]
    ) {
        self.matrix = matrix
        self.isTransposed = isTransposed
        self.bias = bias
        self.owner = owner
    }

    /// K, inputs.
    package var inputs: Int { isTransposed ? matrix.rows : matrix.columns }
    /// N, outputs.
    package var outputs: Int { isTransposed ? matrix.columns : matrix.rows }

    /// y [M, N] = x [M, K]·Wᵀ + b. Cost 2·M·N·K.
    package func forward(_ x: FloatMatrix, into y: FloatMatrix, _ context: ComputeContext, _ scratch: Scratch) {
        guard !isTransposed else { return forwardTransposed(x, into: y, context, scratch) }
        context.forward(x, matrix, bias: bias, into: y, adding: false, computeType: nil, scratch: scratch.bytes)
    }

    /// The same for one to a few rows, bound by the bandwidth of memory (decoding).
    package func forwardFewRows(_ x: FloatMatrix, into y: FloatMatrix, _ context: ComputeContext, _ scratch: Scratch) {
        guard !isTransposed else { return forwardTransposed(x, into: y, context, scratch) }
        context.forwardFewRows(x, matrix, bias: bias, into: y, adding: false, computeType: nil, scratch: scratch.bytes)
    }

    /// dX [M, K] = dY [M, N]·W, or added to what dX holds. Cost 2·M·N·K.
    package func backward(
        _ dY: FloatMatrix, into dX: FloatMatrix, adding: Bool, _ context: ComputeContext, _ scratch: Scratch
    ) {
        if isTransposed {
            context.forward(
                dY, matrix, bias: nil, into: dX, adding: adding, computeType: nil, scratch: scratch.bytes)
        } else {
            context.inputGradient(dY, matrix, into: dX, adding: adding, computeType: nil, scratch: scratch.bytes)
        }
    }

    /// x·W with W stored [K, N] is the product that gives the input gradient of a matrix stored so.
    private func forwardTransposed(
        _ x: FloatMatrix, into y: FloatMatrix, _ context: ComputeContext, _ scratch: Scratch
    ) {
        context.inputGradient(x, matrix, into: y, adding: false, computeType: nil, scratch: scratch.bytes)
        if let bias { context.add(row: bias, into: y) }
    }
}

/// Working memory that a product or an attention may use and leaves undefined.
package struct Scratch: @unchecked Sendable {
    // Unchecked: one computation at a time uses it; the caller sequences them.

    package let bytes: UnsafeMutableRawBufferPointer

    package init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }
}
