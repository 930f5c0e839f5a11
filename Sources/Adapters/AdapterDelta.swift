package import Kernels
package import Layers
package import Tensors

/// What an adapter adds to a frozen linear, with its gradient: a file for each kind and a line in `AdapterKinds.all`.
package protocol AdapterDelta: Sendable {
    /// The `peft_type` of the kind, in lower case.
    static var name: String { get }

    /// The delta of one copy of an entry of a set; gradients are added to `gradients`, an array laid out as the parameters.
    init(_ adapters: AdapterSet, entry: Int, copy: Int, gradients: UnsafeMutablePointer<Float>?)

    /// Floats for each token that forward keeps for backward.
    var savedWidth: Int { get }

    /// Floats of working memory that forward and backward need for the transposes of parameters.
    var factorCount: Int { get }

    /// The delta of x [M, K] as a term of the base's product; `saved`, [M, savedWidth] or wider, receives what
    /// backward needs, by what is added to `work` at the latest.
    func forward(
        _ x: FloatMatrix, saved: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun, _ work: inout AdapterWork
    ) -> LowRankTerm

    /// The gradient with respect to the input as a term of the base's gradient; parameter gradients are added, row after
    /// row, by what is added to `work`.
    func backward(
        _ dY: FloatMatrix, x: FloatMatrix, saved: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun,
        _ work: inout AdapterWork
    ) -> LowRankTerm

    /// Whether the base's gradient cannot take the term up, because the input was changed on its way to the delta: then
    /// `finishBackward` is called when the work has been done.
    func finishesLater(_ tokens: TokenLayout) -> Bool

    /// Adds to dX (where that is wanted), in which the base's gradient is, what `term` means for x, and the parameter
    /// gradients that backward left out.
    func finishBackward(
        _ term: LowRankTerm, x: FloatMatrix, addingTo dX: FloatMatrix?, _ tokens: TokenLayout, _ run: AdapterRun)
}

/// What the adapters of linears with one input, or one output, ask for, to be done together; and the working memory that
/// they share out.
package struct AdapterWork {
    /// Thin products: what low-rank terms are made of. Outer products: parameter gradients.
    package var companions: ProductCompanions
    private var lowRank: FloatMatrix
    private var factors: FloatMatrix

    package init(_ run: AdapterRun, _ companions: ProductCompanions) {
        self.companions = companions
        lowRank = run.lowRank
        factors = run.factors
    }

    /// A matrix [rows, width] that stays until the work is done.
    mutating func takeLowRank(rows: Int, width: Int) -> FloatMatrix {
        guard width <= lowRank.columns, rows <= lowRank.rows else {
            fatalError("adapters share more low-rank memory than was planned")
        }
        let taken = lowRank.rows(0..<rows).columns(0..<width)
        lowRank = lowRank.columns(width..<lowRank.columns)
        return taken
    }

    /// Memory for a factor [rows, columns] with the stride that thin products ask for.
    mutating func takeFactor(rows: Int, columns: Int) -> FloatMatrix {
        let stride = ThinProduct.factorStride(columns), count = rows * stride
        guard count <= factors.columns else { fatalError("adapters share more memory for factors than was planned") }
        let taken = FloatMatrix(base: factors.base, rows: rows, columns: columns, stride: stride)
        factors = factors.columns(count..<factors.columns)
        return taken
    }
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
    /// [M, largest sum of ranks of linears that work together].
    package let lowRank: FloatMatrix
    /// One row: the largest sum of `factorCount` of linears that work together.
    package let factors: FloatMatrix
    /// One to a few rows (decoding): products with the base are bound by memory and walk the weights in place.
    package let fewRows: Bool
    /// Whether linears return while their products run, since whatever follows begins with a region of the context's pool.
    package let overlaps: Bool

    package init(
        context: ComputeContext, scratch: Scratch, dropped: FloatMatrix?, lowRank: FloatMatrix, factors: FloatMatrix,
        fewRows: Bool = false, overlaps: Bool = false
    ) {
        self.context = context
        self.scratch = scratch
        self.dropped = dropped
        self.lowRank = lowRank
        self.factors = factors
        self.fewRows = fewRows
        self.overlaps = overlaps
    }
}
