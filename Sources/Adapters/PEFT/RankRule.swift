package import System

/// Rank, alpha and their exceptions for single modules: `r`, `lora_alpha`, `rank_pattern` and `alpha_pattern` of PEFT.
package struct RankRule: Sendable {
    package var rank: Int
    package var alpha: Double
    /// Scaling alpha / sqrt(rank) instead of alpha / rank (rsLoRA, Kalajdzievski 2023).
    package var isRankStabilized: Bool
    /// Expressions for the end of a module path and their ranks; the first that matches wins.
    package var rankPattern: [(key: String, rank: Int)]
    package var alphaPattern: [(key: String, alpha: Double)]

    package init(
        rank: Int, alpha: Double, isRankStabilized: Bool = false, rankPattern: [(key: String, rank: Int)] = [],
        alphaPattern: [(key: String, alpha: Double)] = []
    ) {
        self.rank = rank
        self.alpha = alpha
        self.isRankStabilized = isRankStabilized
        self.rankPattern = rankPattern
        self.alphaPattern = alphaPattern
    }

    /// The largest rank that is accepted.
    package static let maximumRank = 1_024

    /// Checks the ranges.
    ///
    /// - Throws: `kind` naming the value; a rank is 1 to 1024, an alpha finite and not 0.
    package func validate(_ kind: Failure.Kind) throws(Failure) {
        for rank in [rank] + rankPattern.map(\.rank) where rank < 1 || rank > Self.maximumRank {
            throw Failure(kind, "the rank is \(rank): 1 to \(Self.maximumRank) is expected")
        }
        for alpha in [alpha] + alphaPattern.map(\.alpha) where !alpha.isFinite || alpha == 0 || alpha.magnitude > 1e6 {
            throw Failure(kind, "alpha is \(alpha): a number other than 0, of at most a million, is expected")
        }
    }

    /// Rank and scaling of each site.
    ///
    /// - Throws: what `ModulePattern` throws for a key.
    package func apply(
        to sites: [AdapterSite]
    ) throws(Failure) -> [(site: AdapterSite, rank: Int, scaling: Float)] {
        let ranks = try Self.patterns(rankPattern.map(\.key)), alphas = try Self.patterns(alphaPattern.map(\.key))
        var result: [(site: AdapterSite, rank: Int, scaling: Float)] = []
        for site in sites {
            let rank = try Self.first(ranks, site).map { rankPattern[$0].rank } ?? rank
            let alpha = try Self.first(alphas, site).map { alphaPattern[$0].alpha } ?? alpha
            let divisor = isRankStabilized ? Double(rank).squareRoot() : Double(rank)
            result.append((site, rank, Float(alpha / divisor)))
        }
        return result
    }

    /// PEFT's `get_pattern_key`: the key is an expression for the end of the path, from a segment's beginning.
    private static func patterns(_ keys: [String]) throws(Failure) -> [ModulePattern] {
        var result: [ModulePattern] = []
        for key in keys { result.append(try ModulePattern("(.*\\.)?(\(key))$")) }
        return result
    }

    private static func first(_ patterns: [ModulePattern], _ site: AdapterSite) throws(Failure) -> Int? {
        let paths = site.modulePaths + (site.parameterPath.map { [$0] } ?? [])
        for (index, pattern) in patterns.enumerated() {
            for path in paths where try pattern.matches(path) { return index }
        }
        return nil
    }
}
