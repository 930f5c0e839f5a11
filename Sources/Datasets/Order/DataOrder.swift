internal import System

/// The order in which rows are trained on: `--data-order`.
package enum DataOrder: String, Sendable, CaseIterable {
    /// Anew each epoch, as the Hugging Face trainer shuffles: `torch.randperm` seeded with seed + epoch.
    case shuffled
    /// As the rows stand in the files, in every epoch.
    case sequential

    /// The indices of the rows of an epoch.
    ///
    /// - Parameters:
    ///   - rowCount: rows, below 2^32 / 20.
    ///   - epoch: from 0.
    ///   - seed: of the run.
    package func indices(rowCount: Int, epoch: Int, seed: UInt64) -> [Int] {
        switch self {
        case .sequential: return Array(0..<rowCount)
        case .shuffled:
            var generator = MersenneTwister(seed: seed &+ UInt64(epoch))
            return generator.permutation(rowCount)
        }
    }
}
