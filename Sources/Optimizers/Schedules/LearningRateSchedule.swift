/// A learning rate over a run, as a factor of the base rate.
///
/// A schedule is one file here and one line in `Schedules.all`. Formulas are those of transformers
/// (`optimization.py`), in the same order of operations in float64, so that rates are equal to the last bit.
package protocol LearningRateSchedule: Sendable {
    /// The value of `--schedule`.
    static var name: String { get }

    init()

    /// The factor after the warm-up.
    ///
    /// - Parameters:
    ///   - step: optimizer steps done before this one, `warmUpSteps` or more.
    ///   - warmUpSteps: steps of the warm-up, 0 or more.
    ///   - totalSteps: steps of the run.
    func factorAfterWarmUp(step: Int, warmUpSteps: Int, totalSteps: Int) -> Double
}

extension LearningRateSchedule {
    /// The factor of optimizer step `step`, counted from 0: a linear warm-up, whose first step has rate 0, then the
    /// schedule.
    package func factor(step: Int, warmUpSteps: Int, totalSteps: Int) -> Double {
        if step < warmUpSteps { return Double(step) / Double(max(1, warmUpSteps)) }
        return factorAfterWarmUp(step: step, warmUpSteps: warmUpSteps, totalSteps: totalSteps)
    }
}
