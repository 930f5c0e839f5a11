internal import Measurement

/// How a model differs from another one over rows, for `evaluate --compare-to`.
struct ComparisonSummary {
    let divergence: Estimate
    let agreement: Estimate
    let lossDifference: Estimate

    /// The seed of the resamples: figures of the same rows are the same figures.
    static let seed: UInt64 = 42

    init(_ sums: [ModelComparison.RowSums]) {
        let bootstrap = PairedBootstrap(seed: Self.seed), tokens = sums.map(\.tokens)
        divergence = bootstrap.ratio(sums.map(\.divergence), tokens)
        agreement = bootstrap.ratio(sums.map { Double($0.agreements) }, tokens)
        lossDifference = bootstrap.ratio(sums.map { $0.candidateLoss - $0.referenceLoss }, tokens)
    }

    /// Members of the JSON document.
    var members: [(String, Estimate)] {
        [("loss_difference", lossDifference), ("kl_divergence", divergence), ("top1_agreement", agreement)]
    }

    var text: String {
        "compared: loss difference \(EstimateText.signed(lossDifference, digits: 4)), KL divergence "
            + "\(EstimateText.plain(divergence, digits: 4)) nats, top-1 agreement "
            + "\(EstimateText.percent(agreement, digits: 2)) (95 % intervals)"
    }
}

/// Estimates for people: `value [low, high]`.
enum EstimateText {
    static func plain(_ estimate: Estimate, digits: Int) -> String {
        text(estimate) { NumberText.fixed($0, digits: digits) }
    }

    /// With a sign before every number.
    static func signed(_ estimate: Estimate, digits: Int) -> String {
        text(estimate) { signed($0, digits: digits) }
    }

    /// Shares as percentages.
    static func percent(_ estimate: Estimate, digits: Int) -> String {
        text(estimate) { NumberText.fixed($0 * 100, digits: digits) } + " %"
    }

    static func signed(_ value: Double, digits: Int) -> String {
        let text = NumberText.fixed(value, digits: digits)
        return text.hasPrefix("-") || value.isNaN ? text : "+" + text
    }

    private static func text(_ estimate: Estimate, _ number: (Double) -> String) -> String {
        guard let interval = estimate.interval else { return number(estimate.value) }
        return "\(number(estimate.value)) [\(number(interval.lowerBound)), \(number(interval.upperBound))]"
    }
}
