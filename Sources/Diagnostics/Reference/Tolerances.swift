/// How far kernels may be from references in double precision, and why.
package enum Tolerance {
    /// What only moves bits: wrong ones are counted.
    package static let exact = 0.0
    /// Products, relative to the sum of the absolute terms: float32 sums of up to a thousand terms in order, whose rounding
    /// errors (2^-24 each) mostly cancel. One wrong element of a thousand is a hundred times more.
    package static let product = 3e-6
    /// Elementwise results, relative to the largest: two units in the last place of float32, one rounding in the result
    /// and one in what it is made from.
    package static let elementwise = 2.4e-7
    /// Norms, gates and losses: exponentials within two units in the last place, float32 sums in 64 chains, a few
    /// roundings.
    package static let norm = 1e-6
    /// Gradients of norms, gates and losses: differences of what the above make.
    package static let normGradient = 5e-6
    /// Attention, relative to the largest element: float32 scores of a few units, sums of some hundred terms.
    package static let attention = 1e-5
    package static let attentionGradient = 2e-5
    /// Attention under bfloat16: scores of a few units from operands rounded to 2^-9, probabilities and their gradients
    /// rounded as much.
    package static let narrowAttention = 2e-2
    /// Quantized values, relative to the largest magnitude of the block: how much farther than the nearest value of the
    /// format, where the scaled element lies within a rounding of a midpoint.
    package static let quantizer = 1e-6
}
