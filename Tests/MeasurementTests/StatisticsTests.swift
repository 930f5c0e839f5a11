import Glibc
import Measurement
import System
import Testing

@Suite struct StatisticsTests {
    private func divergence(_ reference: [Float], _ candidate: [Float]) -> Divergence {
        Divergence(reference: reference, candidate: candidate, count: reference.count)
    }

    /// Logits whose distributions are known: P = (1/2, 1/4, 1/4), Q = (1/4, 1/4, 1/2).
    @Test func divergenceOfKnownDistributions() {
        let p: [Float] = [Float(M_LN2) * 2, Float(M_LN2), Float(M_LN2)]
        let q: [Float] = [Float(M_LN2), Float(M_LN2), Float(M_LN2) * 2]
        let found = divergence(p, q)
        // Σ p ln(p / q) = 1/2 ln 2 + 0 - 1/4 ln 2
        #expect(abs(found.nats - 0.25 * M_LN2) < 1e-7)
        #expect(!found.agrees)
        // Shifting logits changes nothing, nor does their size.
        let shifted = divergence(p.map { $0 + 3000 }, q.map { $0 - 2000 })
        #expect(abs(shifted.nats - 0.25 * M_LN2) < 1e-3)
        #expect(divergence(p, p) == Divergence(reference: q, candidate: q, count: 3))
        #expect(divergence(p, p).nats == 0 && divergence(p, p).agrees)
    }

    @Test func divergenceIsNotSymmetric() {
        let even: [Float] = [0, 0], skewed: [Float] = [logf(9), 0]
        // KL((1/2, 1/2) || (9/10, 1/10)) = 1/2 ln(5/9) + 1/2 ln 5, and the reverse 9/10 ln(9/5) + 1/10 ln(1/5).
        #expect(abs(divergence(even, skewed).nats - (0.5 * log(5.0 / 9) + 0.5 * log(5.0))) < 1e-7)
        #expect(abs(divergence(skewed, even).nats - (0.9 * log(1.8) + 0.1 * log(0.2))) < 1e-7)
    }

    @Test func amongEqualLogitsTheLowestTokenCounts() {
        #expect(divergence([1, 5, 5], [0, 7, 0]).agrees)
        #expect(!divergence([1, 5, 5], [0, 0, 7]).agrees)
    }

    @Test func divergenceOfLogitsThatAreNotFiniteIsNoNumber() {
        #expect(divergence([0, .nan], [0, 1]).nats.isNaN)
        #expect(divergence([0, .infinity], [0, 1]).nats.isNaN)
    }

    /// For the mean of independent values the interval is mean ± 1.96 standard errors; the percentile interval of 2000
    /// resamples of 400 rows lies within a tenth of its width of that.
    @Test func intervalOfAMeanIsTheNormalOne() throws {
        var generator = MersenneTwister(seed: 5)
        let values = (0..<400).map { _ in (0..<12).reduce(0.0) { sum, _ in sum + Double(generator.nextUniform()) } - 6 }
        let mean = values.reduce(0, +) / 400
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 400
        let reach = 1.96 * (variance / 400).squareRoot()
        let found = PairedBootstrap(seed: 1).ratio(values, [Int](repeating: 1, count: 400))
        let interval = try #require(found.interval)
        #expect(abs(found.value - mean) < 1e-12)
        #expect(abs(interval.lowerBound - (mean - reach)) < 0.2 * reach)
        #expect(abs(interval.upperBound - (mean + reach)) < 0.2 * reach)
    }

    /// Rows whose means are equal have no spread, whatever their lengths: the ratio weights rows by tokens.
    @Test func rowsAreWeightedByTokens() throws {
        let weights = [1, 10, 100, 1000]
        let found = PairedBootstrap(seed: 1).ratio(weights.map { Double($0) * 0.5 }, weights)
        #expect(found.value == 0.5)
        #expect(found.interval == 0.5...0.5)
        let uneven = PairedBootstrap(seed: 1).ratio([0, 990], [10, 990])
        #expect(uneven.value == 0.99)
        // Both rows may be the same one.
        #expect(uneven.interval == 0...1)
    }

    @Test func intervalsComeFromTheSeedAlone() {
        let values = (0..<40).map { Double(($0 * 37) % 11) }, weights = (0..<40).map { 5 + $0 % 7 }
        let first = PairedBootstrap(seed: 7).ratio(values, weights)
        #expect(first == PairedBootstrap(seed: 7).ratio(values, weights))
        #expect(first != PairedBootstrap(seed: 8).ratio(values, weights))
        // What is paired stays paired: twice the values have twice the interval.
        let twice = PairedBootstrap(seed: 7).ratio(values.map { 2 * $0 }, weights)
        #expect(twice.interval?.lowerBound == first.interval.map { 2 * $0.lowerBound })
    }

    @Test func oneRowHasNoInterval() {
        let found = PairedBootstrap(seed: 1).ratio([3], [2])
        #expect(found == Estimate(value: 1.5, interval: nil))
        #expect(JSONWriter.compact.string(found.json) == #"{"value":1.5,"low":null,"high":null}"#)
    }

    @Test func quantilesAreLinearBetweenNeighbours() {
        #expect(PairedBootstrap.quantile([1, 2, 4], 0) == 1)
        #expect(PairedBootstrap.quantile([1, 2, 4], 0.75) == 3)
        #expect(PairedBootstrap.quantile([1, 2, 4], 1) == 4)
    }
}
