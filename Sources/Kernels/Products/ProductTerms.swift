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

/// output [M, R] = scale * x [M, K] · factor [K, R], in float32.
package struct ThinProduct: Sendable {
    package var x: FloatMatrix
    /// Its stride is a multiple of 16 and at least R; what lies between R and the stride is finite.
    package var factor: FloatMatrix
    package var scale: Float
    package var output: FloatMatrix

    package init(_ x: FloatMatrix, by factor: FloatMatrix, scale: Float, into output: FloatMatrix) {
        self.x = x
        self.factor = factor
        self.scale = scale
        self.output = output
    }
}

/// output [p, q] += left [M, p] transposed · right [M, q], in float32, row after row: two calls with the rows of one after
/// the other give the bits of one call with all of them.
package struct OuterProduct: Sendable {
    package var left: FloatMatrix
    package var right: FloatMatrix
    package var output: FloatMatrix

    package init(_ left: FloatMatrix, _ right: FloatMatrix, into output: FloatMatrix) {
        self.left = left
        self.right = right
        self.output = output
    }
}
