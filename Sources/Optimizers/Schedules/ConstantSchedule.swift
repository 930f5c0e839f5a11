/// The base rate from the end of the warm-up on (`constant_with_warmup` of transformers).
package struct ConstantSchedule: LearningRateSchedule {
    package static let name = "constant"

    package init() {}

    package func factorAfterWarmUp(step: Int, warmUpSteps: Int, totalSteps: Int) -> Double { 1 }
}
