/// The routers' auxiliary loss, which is small where all experts of a mixture get alike many tokens (Fedus et al., "Switch
/// Transformers", 2021, equations 4 to 6; transformers' `load_balancing_loss_func`).
///
/// Over the R = tokens × sparse layers routings of all rows of an optimizer step, with cₑ of them assigning a token to
/// expert e (k experts each) and pₑ the sum of e's probabilities: loss = E·Σ (cₑ / R)·(pₑ / R). transformers takes the rows
/// of one batch, padding left out: where a step is one batch, both are the same number.
///
/// The gradient of each probability needs the counts of the whole step, so they are taken before the first backward: a
/// step of several micro-batches has one more forward. Counts are integers and sums run in the order of the data, so the
/// cut changes no bit.
package final class RouterBalance {
    /// What the loss is multiplied with.
    package let coefficient: Double
    private let expertCount: Int
    private var counts: [Int]
    /// [L][E], nil where a layer has no experts.
    private var probabilities: [[Double]?]
    private var routings = 0
    /// Whether the routings of all rows of the step are counted.
    private(set) var isComplete = false

    /// - Returns: nil for a model without experts.
    package init?(_ shape: DecoderConfiguration, coefficient: Double) {
        guard let design = shape.experts else { return nil }
        self.coefficient = coefficient
        expertCount = design.count
        counts = Array(repeating: 0, count: design.count)
        probabilities = design.layers.map { $0 ? Array(repeating: 0, count: design.count) : nil }
    }

    /// Begins a step.
    package func reset() {
        for expert in counts.indices { counts[expert] = 0 }
        for layer in probabilities.indices {
            probabilities[layer] = probabilities[layer].map { Array(repeating: 0, count: $0.count) }
        }
        routings = 0
        isComplete = false
    }

    /// Says that no row of the step is missing.
    package func complete() { isComplete = true }

    /// Counts the routings of one layer for further tokens.
    func add(_ routing: Routing, layer: Int) {
        guard var sums = probabilities[layer], !isComplete else {
            fatalError("routings are counted once, of sparse layers")
        }
        for token in 0..<routing.tokenCount {
            let row = routing.probabilities + token * expertCount
            for expert in 0..<expertCount { sums[expert] += Double(row[expert]) }
        }
        for index in 0..<routing.tokenCount * routing.perToken { counts[Int(routing.experts[index])] += 1 }
        routings += routing.tokenCount
        probabilities[layer] = sums
    }

    /// The loss, not yet multiplied.
    package var loss: Double {
        guard routings > 0 else { return 0 }
        let total = Double(routings)
        return (0..<expertCount).reduce(0) { loss, expert in
            let sum = probabilities.reduce(0) { $0 + ($1?[expert] ?? 0) }
            return loss + Double(expertCount) * (Double(counts[expert]) / total) * (sum / total)
        }
    }

    /// The gradient of the multiplied loss with respect to each probability [E], the same for all tokens and layers.
    func fillGradient(_ gradient: UnsafeMutablePointer<Float>) {
        let total = Double(max(1, routings))
        for expert in 0..<expertCount {
            gradient[expert] = Float(coefficient * Double(expertCount) * Double(counts[expert]) / (total * total))
        }
    }
}
