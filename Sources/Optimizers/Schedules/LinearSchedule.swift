/// A straight line from the base rate to 0 at the end of the run.
package struct LinearSchedule: LearningRateSchedule {
    package static let name = "linear"

    package init() {}

    package func factorAfterWarmUp(step: Int, warmUpSteps: Int, totalSteps: Int) -> Double {
        max(0, Double(totalSteps - step) / Double(max(1, totalSteps - warmUpSteps)))
    }
}
