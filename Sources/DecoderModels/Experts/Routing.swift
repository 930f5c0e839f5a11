internal import Glibc

/// Which experts each of M tokens goes to, with what weight. Views of an arena's memory.
struct Routing {
    /// E and k.
    let expertCount, perToken: Int
    let tokenCount: Int
    /// [M, E], the softmax of the router's logits.
    let probabilities: UnsafeMutablePointer<Float>
    /// [M, k]: each token's experts, ascending, their weights, and the row that each assignment has among the rows sorted
    /// by expert.
    let experts: UnsafeMutablePointer<Int32>
    let weights: UnsafeMutablePointer<Float>
    let places: UnsafeMutablePointer<Int32>
    /// [M·k], in the order of experts: the token of each row, and its weight.
    let tokens: UnsafeMutablePointer<Int32>
    let rowWeights: UnsafeMutablePointer<Float>
    /// [E + 1], where the rows of each expert begin.
    let starts: UnsafeMutablePointer<Int32>

    /// The rows of an expert.
    func rows(of expert: Int) -> Range<Int> { Int(starts[expert])..<Int(starts[expert + 1]) }

    /// Chooses from the router's logits, which stand in `probabilities`: softmax over all experts in float32, the k most
    /// probable (the lowest index where several are equal; which one torch takes is not defined), their probabilities,
    /// divided by their sum if `normalizes` (transformers' `MixtralTopKRouter`, `Qwen2MoeTopKRouter`).
    func choose(normalizes: Bool) {
        for expert in 0...expertCount { starts[expert] = 0 }
        for token in 0..<tokenCount {
            let row = probabilities + token * expertCount
            softmax(row)
            select(token, row, normalizes: normalizes)
        }
        for expert in 0..<expertCount { starts[expert + 1] += starts[expert] }
        // Filling moves each start to the next expert's; going back restores them.
        for index in 0..<tokenCount * perToken {
            let expert = Int(experts[index]), place = starts[expert]
            places[index] = place
            tokens[Int(place)] = Int32(index / perToken)
            rowWeights[Int(place)] = weights[index]
            starts[expert] += 1
        }
        for expert in stride(from: expertCount, to: 0, by: -1) { starts[expert] = starts[expert - 1] }
        starts[0] = 0
    }

    private func softmax(_ row: UnsafeMutablePointer<Float>) {
        var largest = row[0]
        for expert in 1..<max(1, expertCount) { largest = max(largest, row[expert]) }
        var sum: Float = 0
        for expert in 0..<expertCount {
            row[expert] = expf(row[expert] - largest)
            sum += row[expert]
        }
        for expert in 0..<expertCount { row[expert] /= sum }
    }

    private func select(_ token: Int, _ row: UnsafePointer<Float>, normalizes: Bool) {
        let chosen = experts + token * perToken, weight = weights + token * perToken
        for slot in 0..<perToken {
            var best = -1
            for expert in 0..<expertCount where best < 0 || row[expert] > row[best] {
                if !(0..<slot).contains(where: { chosen[$0] == Int32(expert) }) { best = expert }
            }
            chosen[slot] = Int32(best)
        }
        var ascending = UnsafeMutableBufferPointer(start: chosen, count: perToken)
        ascending.sort()
        var sum: Float = 0
        for slot in 0..<perToken {
            weight[slot] = row[Int(chosen[slot])]
            sum += weight[slot]
            starts[Int(chosen[slot]) + 1] += 1
        }
        if normalizes { for slot in 0..<perToken { weight[slot] /= sum } }
    }

    /// The gradient of the router's logits [M, E] from `products`, each row's weight times its gradient, and from `balance`
    /// [E], what every token adds to the gradient of each probability (nil for nothing).
    ///
    /// Chosen weights are wᵢ = pᵢ, or pᵢ / s with s the sum of the chosen; dlogitᵢ = pᵢ·(dpᵢ − Σ pⱼ·dpⱼ). With gᵢ = wᵢ·dwᵢ and D
    /// their sum that is gᵢ − pᵢ·D, or gᵢ − wᵢ·D of the chosen and 0 of the others.
    func logitGradients(
        products: UnsafePointer<Float>, normalizes: Bool, balance: UnsafePointer<Float>?,
        into result: UnsafeMutablePointer<Float>
    ) {
        for token in 0..<tokenCount {
            let row = probabilities + token * expertCount, target = result + token * expertCount
            let chosen = token * perToken..<(token + 1) * perToken
            let sum = chosen.reduce(Float(0)) { $0 + products[Int(places[$1])] }
            for expert in 0..<expertCount { target[expert] = normalizes ? 0 : -row[expert] * sum }
            for index in chosen {
                let product = products[Int(places[index])]
                target[Int(experts[index])] += normalizes ? product - weights[index] * sum : product
            }
            guard let balance else { continue }
            let mean = (0..<expertCount).reduce(Float(0)) { $0 + row[$1] * balance[$1] }
            for expert in 0..<expertCount { target[expert] += row[expert] * (balance[expert] - mean) }
        }
    }
}
