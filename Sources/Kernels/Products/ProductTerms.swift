package import Tensors

/// left · right, a product of low rank R that another product adds in float32 on its way: left [M, R]; right is [N, R],
/// transposed in the product, where it joins a forward, and [R, K] where it joins an input gradient.
package struct LowRankTerm: Sendable {
    package let left: FloatMatrix
    package let right: FloatMatrix

    package init(left: FloatMatrix, right: FloatMatrix) {
        self.left = left
        self.right = right
    }
}

/// One of the products that share an input X [M, K]: output [M, N] = X · Wᵀ + bias + lowRank + addend.
package struct ForwardProduct: @unchecked Sendable {
    // Unchecked: the bias is read-only memory.

    /// W [N, K], or [K, N] where it is stored transposed.
    package var weight: StoredMatrix
    package var isTransposed: Bool
    /// [N], or nil.
    package var bias: UnsafePointer<Float>?
    package var output: ActivationMatrix
    /// [M, N]: the output itself, another matrix, or nil.
    package var addend: FloatMatrix?
    package var lowRank: LowRankTerm?

    package init(
        _ weight: StoredMatrix, isTransposed: Bool = false, bias: UnsafePointer<Float>? = nil,
        into output: ActivationMatrix, addend: FloatMatrix? = nil, lowRank: LowRankTerm? = nil
    ) {
        self.weight = weight
        self.isTransposed = isTransposed
        self.bias = bias
        self.output = output
        self.addend = addend
        self.lowRank = lowRank
    }
}

/// One of the products whose sum is an input gradient: dY [M, N] · W [N, K] + lowRank.
package struct GradientProduct: Sendable {
    package var dY: FloatMatrix
    /// W [N, K], or [K, N] where it is stored transposed.
    package var weight: StoredMatrix
    package var isTransposed: Bool
    package var lowRank: LowRankTerm?

    package init(
        _ dY: FloatMatrix, _ weight: StoredMatrix, isTransposed: Bool = false, lowRank: LowRankTerm? = nil
    ) {
        self.dY = dY
        self.weight = weight
        self.isTransposed = isTransposed
        self.lowRank = lowRank
    }
}
