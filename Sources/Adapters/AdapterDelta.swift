package import Kernels
package import Layers
package import Tensors

/// What an adapter adds to a frozen linear, with its gradient: a file for each kind and a line in `AdapterKinds.all`.
package protocol AdapterDelta: Sendable {
    /// The `peft_type` of the kind, in lower case.
    static var name: String { get }

    /// The delta of one entry of a set; gradients are added to `gradients`, an array laid out as the parameters.
    init(_ adapters: AdapterSet, entry: Int, gradients: UnsafeMutablePointer<Float>?)

    /// Floats for each token that forward keeps for backward.
    var savedWidth: Int { get }

    /// Adds the delta of x [M, K] to y [M, N]; `saved`, [M, savedWidth] or wider, receives what
    /// backward needs.
    func forward(
        _ x: FloatMatrix, addingTo y: FloatMatrix, saved: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun)

    /// Adds parameter gradients, sequence by sequence in data order, and the gradient with respect to x to dX
    /// (where that is wanted).
    func backward(
        _ dY: FloatMatrix, x: FloatMatrix, saved: FloatMatrix, addingTo dX: FloatMatrix?, _ tokens: TokenLayout,
        _ run: AdapterRun)
}

/// The kinds of adapter this program knows.
package enum AdapterKinds {
    package static let all: [any AdapterDelta.Type] = [LowRankDelta.self]
}

/// What adapters compute with: kernels, product scratch, and matrices that hold nothing between calls.
package struct AdapterRun: @unchecked Sendable {
    // Unchecked: one adapter at a time uses it; the pass sequences them.

    package let context: ComputeContext
    package let scratch: Scratch
    /// [M, widest input], for dropped-out inputs; nil where no adapter has dropout.
    package let dropped: FloatMatrix?
    /// [M, largest rank].
    package let lowRank: FloatMatrix
    /// One to a few rows (decoding): products with the base are bound by memory and walk the weights in place.
    package let fewRows: Bool

    package init(
        context: ComputeContext, scratch: Scratch, dropped: FloatMatrix?, lowRank: FloatMatrix, fewRows: Bool = false
    ) {
        self.context = context
        self.scratch = scratch
        self.dropped = dropped
        self.lowRank = lowRank
        self.fewRows = fewRows
    }
}
