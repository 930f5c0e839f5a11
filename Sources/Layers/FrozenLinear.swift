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

    /// y [M, N] = x [M, K]·Wᵀ + b, with what else is added to it, to be done with other products. Cost 2·M·N·K.
    package func product(into y: ActivationMatrix, addend: FloatMatrix?, lowRank: LowRankTerm?) -> ForwardProduct {
        ForwardProduct(matrix, isTransposed: isTransposed, bias: bias, into: y, addend: addend, lowRank: lowRank)
    }

    /// dY [M, N]·W, with what else is added to it, to be done with other products. Cost 2·M·N·K.
    package func gradient(_ dY: FloatMatrix, lowRank: LowRankTerm?) -> GradientProduct {
        GradientProduct(dY, matrix, isTransposed: isTransposed, lowRank: lowRank)
    }

    /// The outputs in parts, as the tokens of a vocabulary; nil where the matrix has no views of them.
    package var vocabularyParts: VocabularyParts? { isTransposed ? nil : VocabularyParts(matrix, bias: bias) }

    /// y [M, N] = x [M, K]·Wᵀ + b for one to a few rows, bound by the bandwidth of memory (decoding), to be done with
    /// other products; nil where the matrix is stored the other way: reading columns of a row-major matrix a few rows at
    /// a time gains nothing.
    package func fewRowsProduct(into y: FloatMatrix) -> FewRowsProduct? {
        isTransposed ? nil : FewRowsProduct(matrix, bias: bias, into: y, adding: false)
    }
}

/// Working memory that a product or an attention may use and leaves undefined.
package struct Scratch: @unchecked Sendable {
    // Unchecked: one computation at a time uses it; the caller sequences them.

    package let bytes: UnsafeMutableRawBufferPointer

    package init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }
}
