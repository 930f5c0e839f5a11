package import System

/// Takes a share of the rows for evaluation: `--eval-split`. The two parts are disjoint, keep the order of the rows and
/// depend on the number of rows, the share and the seed alone.
package struct EvaluationSplit: Sendable {
    /// The most rows that are taken.
    package static let maximumRowCount = 200

    /// Share of the rows, rounded up, at most 200 rows and never all of them.
    package let fraction: Double
    package let seed: UInt64

    /// - Throws: `usage` for a share outside 0..<1.
    package init(fraction: Double, seed: UInt64) throws(Failure) {
        guard fraction >= 0, fraction < 1 else {
            throw Failure(
                .usage, "--eval-split is \(fraction): a share from 0 to below 1 is expected",
                remedy: "Give 0.05 for a twentieth of the rows, or 0 for none")
        }
        self.fraction = fraction
        self.seed = seed
    }

    /// The rows that are taken for evaluation.
    package func evaluationCount(of rowCount: Int) -> Int {
        let wanted = (fraction * Double(rowCount)).rounded(.up)
        return max(0, min(Int(wanted), Self.maximumRowCount, rowCount - 1))
    }

    /// Indices of the rows for training and for evaluation, each ascending.
    package func indices(rowCount: Int) -> (training: [Int], evaluation: [Int]) {
        let count = evaluationCount(of: rowCount)
        var generator = MersenneTwister(seed: seed)
        let evaluation = count == 0 ? [] : generator.permutation(rowCount).prefix(count).sorted()
        let taken = Set(evaluation)
        return ((0..<rowCount).filter { !taken.contains($0) }, evaluation)
    }
}
