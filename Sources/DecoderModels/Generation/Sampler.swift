package import System

#if canImport(Glibc)
internal import Glibc
#endif

/// Chooses the next token from a row of logits.
///
/// The processing and its order are those of transformers' `generate` (5.23): repetition penalty, temperature, top-k,
/// top-p, min-p. The draw is our own: token number n of a text depends on the logits, the seed and n alone (SplitMix64,
/// Steele, Lea and Flood 2014, its n-th output for the seed), so that a text can be continued or made again from any
/// place. Costs one pass over the logits, and a sort of those that could pass top-p.
package struct Sampler: Sendable {
    /// A token that may be chosen, with its score after all processing: a logit, not normalised.
    package struct Candidate: Sendable, Equatable {
        package var id: Int32
        package var score: Float
    }

    package let settings: SamplerSettings

    /// - Throws: `usage` for settings outside their ranges.
    package init(_ settings: SamplerSettings) throws(Failure) {
        try settings.validate()
        self.settings = settings
    }

    /// Whether a token ends the text.
    package func isStop(_ id: Int32) -> Bool { settings.stopIDs.contains(id) }

    /// The token at a position.
    ///
    /// - Parameters:
    ///   - logits: [V].
    ///   - history: ids so far, prompt included, for the repetition penalty; those outside 0..<V are passed over.
    ///   - position: number of the token, from 0; each position has a draw of its own.
    /// - Throws: `badData` where a logit is NaN or none is finite: the model or its adapter is broken.
    package func next(_ logits: Span<Float>, history: [Int32], position: Int) throws(Failure) -> Int32 {
        let candidates = try candidates(logits, history: history)
        guard candidates.count > 1 else { return candidates[0].id }
        let weights = Self.weights(candidates)
        let total = weights.reduce(0, +)
        let point = Self.uniform(seed: settings.seed, position: position) * total
        var sum = 0.0
        for (candidate, weight) in zip(candidates, weights) {
            sum += weight
            if point < sum { return candidate.id }
        }
        // Rounding of the last sum: the draw lies at its very end.
        return candidates[candidates.count - 1].id
    }

    /// The tokens that may be chosen, in the order of their ids; at least one.
    package func candidates(_ logits: Span<Float>, history: [Int32]) throws(Failure) -> [Candidate] {
        var scores = [Float](unsafeUninitializedCapacity: logits.count) { buffer, count in
            for index in logits.indices { buffer.initializeElement(at: index, to: logits[index]) }
            count = logits.count
        }
        penalize(&scores, history)
        if settings.temperature > 0, settings.temperature != 1 {
            let temperature = Float(settings.temperature)
            for index in scores.indices { scores[index] /= temperature }
        }
        var best = 0, isNumber = !scores.isEmpty
        for index in scores.indices {
            if scores[index] > scores[best] { best = index }
            isNumber = isNumber && !scores[index].isNaN
        }
        guard isNumber, scores[best].isFinite else {
            throw Failure(
                .badData, "the model's logits are not finite: no token can be chosen",
                remedy: "Check the weights with inspect --verify, and the adapter's training for divergence")
        }
        if settings.temperature == 0 { return [Candidate(id: Int32(best), score: scores[best])] }
        var kept = topK(scores)
        if settings.topP < 1 { topP(&kept) }
        if settings.minP > 0 { minP(&kept) }
        return kept
    }

    private func penalize(_ scores: inout [Float], _ history: [Int32]) {
        guard settings.repetitionPenalty != 1 else { return }
        let penalty = Float(settings.repetitionPenalty)
        for id in Set(history) where id >= 0 && Int(id) < scores.count {
            let score = scores[Int(id)]
            scores[Int(id)] = score < 0 ? score * penalty : score / penalty
        }
    }

    /// Candidates with a score of at least the k-th largest; all that are possible where k is 0 or beyond them.
    private func topK(_ scores: [Float]) -> [Candidate] {
        var threshold = -Float.infinity
        if settings.topK > 0, settings.topK < scores.count {
            var heap = SmallestFirst(scores.prefix(settings.topK))
            for score in scores.dropFirst(settings.topK) { heap.replaceSmallest(ifBelow: score) }
            threshold = heap.smallest
        }
        var kept: [Candidate] = []
        for (id, score) in scores.enumerated() where score >= threshold && score > -.infinity {
            kept.append(Candidate(id: Int32(id), score: score))
        }
        return kept
    }

    /// Keeps a candidate if the probabilities of those before it, in descending order, sum to less than p. This equals
    /// transformers' rule, which removes from the least likely on while the sum is at most 1 - p.
    private func topP(_ kept: inout [Candidate]) {
        let weights = Self.weights(kept)
        let total = weights.reduce(0, +)
        // Candidates below this share together weigh at most 1 - p, so that none of them can be kept.
        let floor = (1 - settings.topP) * total / Double(kept.count)
        var order = kept.indices.filter { weights[$0] > floor }
        if order.isEmpty { order = Array(kept.indices) }
        order.sort { weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 > $1 }
        var sum = 0.0, count = 0
        while count < order.count, count == 0 || sum < settings.topP * total {
            sum += weights[order[count]]
            count += 1
        }
        kept = order.prefix(count).sorted().map { kept[$0] }
    }

    private func minP(_ kept: inout [Candidate]) {
        let weights = Self.weights(kept)
        // The largest weight is exactly 1.
        kept = zip(kept, weights).filter { $0.1 >= settings.minP }.map(\.0)
    }

    /// exp(score - largest score), so that the most likely has 1.
    private static func weights(_ candidates: [Candidate]) -> [Double] {
        let largest = candidates.reduce(-Float.infinity) { max($0, $1.score) }
        return candidates.map { exp(Double($0.score) - Double(largest)) }
    }

    /// The draw of a position: 53 bits in 0..<1.
    static func uniform(seed: UInt64, position: Int) -> Double {
        var mixed = seed &+ (UInt64(truncatingIfNeeded: position) &+ 1) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53
    }
}

/// A binary heap whose first element is the smallest.
private struct SmallestFirst {
    private var values: [Float]

    /// - Parameter values: at least one.
    init(_ values: ArraySlice<Float>) { self.values = values.sorted() }

    var smallest: Float { values[0] }

    mutating func replaceSmallest(ifBelow value: Float) {
        guard value > values[0] else { return }
        var hole = 0
        while true {
            var child = 2 * hole + 1
            if child + 1 < values.count, values[child + 1] < values[child] { child += 1 }
            guard child < values.count, values[child] < value else { break }
            values[hole] = values[child]
            hole = child
        }
        values[hole] = value
    }
}
