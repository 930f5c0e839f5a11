package import System

/// A value with the bounds of its interval; the bounds are nil where there are fewer than two rows.
package struct Estimate: Sendable, Equatable {
    package var value: Double
    package var interval: ClosedRange<Double>?

    package init(value: Double, interval: ClosedRange<Double>?) {
        self.value = value
        self.interval = interval
    }

    /// `{"value":…,"low":…,"high":…}`
    package var json: JSONValue {
        .object(
            JSONObject([
                ("value", .double(value)), ("low", interval.map { .double($0.lowerBound) } ?? .null),
                ("high", interval.map { .double($0.upperBound) } ?? .null),
            ]))
    }
}

/// Intervals by resampling rows with replacement (Efron and Tibshirani 1993, chapters 6 and 13: the percentile
/// interval). Rows are the units because tokens of a row are not independent.
///
/// The same rows are drawn for every quantity, and a quantity that is a difference of two models is resampled as that
/// difference, row by row: what both models find hard cancels.
package struct PairedBootstrap: Sendable {
    /// Resamples of an interval.
    package static let resampleCount = 2000
    /// Share of the resamples inside an interval.
    package static let confidence = 0.95

    private let seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    /// The ratio Σ sums / Σ weights, with its interval. Costs 2000 draws a row.
    ///
    /// - Parameters:
    ///   - sums: of each row: a loss, a difference of two losses, a divergence, a count.
    ///   - weights: of each row: its scored tokens, at least 1.
    package func ratio(_ sums: [Double], _ weights: [Int]) -> Estimate {
        guard sums.count == weights.count, !sums.isEmpty else {
            fatalError("\(sums.count) sums have \(weights.count) weights")
        }
        let value = sums.reduce(0, +) / Double(weights.reduce(0, +))
        guard sums.count > 1 else { return Estimate(value: value, interval: nil) }
        var generator = MersenneTwister(seed: seed)
        let rowCount = UInt32(clamping: sums.count)
        var ratios = (0..<Self.resampleCount).map { _ in
            var sum = 0.0, weight = 0
            for _ in sums.indices {
                // Without rejection: a row is favoured by less than rows / 2^32.
                let row = Int(generator.next() % rowCount)
                sum += sums[row]
                weight += weights[row]
            }
            return sum / Double(weight)
        }
        guard ratios.allSatisfy(\.isFinite) else { return Estimate(value: value, interval: nil) }
        ratios.sort()
        let tail = (1 - Self.confidence) / 2
        return Estimate(
            value: value, interval: Self.quantile(ratios, tail)...Self.quantile(ratios, 1 - tail))
    }

    /// The quantile of sorted values, linear between neighbours (numpy's default, Hyndman and Fan's type 7).
    package static func quantile(_ sorted: [Double], _ share: Double) -> Double {
        let position = share * Double(sorted.count - 1)
        let lower = Int(position), upper = min(lower + 1, sorted.count - 1)
        return sorted[lower] + (position - Double(lower)) * (sorted[upper] - sorted[lower])
    }
}
