internal import Glibc

/// Maps numbers to positions of a drawing, with round ticks.
struct Axis: Sendable {
    let ticks: [Double]
    /// Digits after the point that tell the ticks apart.
    let digits: Int
    private let low: Double
    private let high: Double
    private let start: Double
    private let end: Double

    /// Covers all values and a margin beyond them.
    ///
    /// - Parameters:
    ///   - values: finite.
    ///   - start: the position of the low end.
    ///   - end: the position of the high end.
    init(covering values: [Double], from start: Double, to end: Double) {
        let least = values.min() ?? 0, most = values.max() ?? 1
        // Equal values get an axis around them.
        let spread = most > least ? most - least : max(most.magnitude * 0.1, 1e-6)
        low = least - spread * 0.1
        high = most + spread * 0.1
        self.start = start
        self.end = end
        let rough = (high - low) / 5
        let power = pow(10, floor(log10(rough)))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? 10 * power
        digits = min(15, max(0, Int(-floor(log10(step) + 1e-9))))
        let first = (low / step).rounded(.up), last = (high / step).rounded(.down)
        ticks = stride(from: first, through: last, by: 1).map { $0 * step }
    }

    func position(_ value: Double) -> Double { start + (value - low) / (high - low) * (end - start) }
}
