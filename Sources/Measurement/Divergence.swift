internal import Glibc

/// How two models differ at one position, from their logits over the same vocabulary.
package struct Divergence: Sendable, Equatable {
    /// KL(P || Q) = Σ pᵢ (ln pᵢ − ln qᵢ) in nats, P being the reference's distribution; 0 for equal logits.
    package var nats: Double
    /// Whether both have their largest logit at the same token; of equal ones the lowest counts.
    package var agrees: Bool

    /// Compares logits, in double precision: 2 exponentials a token of the vocabulary.
    ///
    /// With P = softmax(a), Q = softmax(b): KL = Σ pᵢ (aᵢ − bᵢ) − ln Σ exp aᵢ + ln Σ exp bᵢ.
    ///
    /// - Parameters:
    ///   - reference: [V] logits a.
    ///   - candidate: [V] logits b.
    ///   - count: V, at least 1.
    package init(reference: UnsafePointer<Float>, candidate: UnsafePointer<Float>, count: Int) {
        var best = 0, bestCandidate = 0
        for index in 1..<max(1, count) {
            if reference[index] > reference[best] { best = index }
            if candidate[index] > candidate[bestCandidate] { bestCandidate = index }
        }
        // Exponents relative to the largest logit: no overflow, and a sum of at least 1.
        let largest = Double(reference[best]), largestCandidate = Double(candidate[bestCandidate])
        var sum = 0.0, sumCandidate = 0.0, weighted = 0.0
        for index in 0..<count {
            let a = Double(reference[index]), b = Double(candidate[index])
            let weight = exp(a - largest)
            sum += weight
            sumCandidate += exp(b - largestCandidate)
            weighted += weight * (a - b)
        }
        let value = weighted / sum - (largest + log(sum)) + (largestCandidate + log(sumCandidate))
        // Rounding can leave a distribution's divergence from its equal a little below 0; NaN stays.
        nats = value < 0 ? 0 : value
        agrees = best == bestCandidate
    }
}
