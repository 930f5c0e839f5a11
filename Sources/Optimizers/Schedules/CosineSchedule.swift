#if canImport(Glibc)
internal import Glibc
#endif

/// Half a cosine wave from the base rate to 0 at the end of the run.
package struct CosineSchedule: LearningRateSchedule {
    package static let name = "cosine"

    package init() {}

    package func factorAfterWarmUp(step: Int, warmUpSteps: Int, totalSteps: Int) -> Double {
        let progress = Double(step - warmUpSteps) / Double(max(1, totalSteps - warmUpSteps))
        return max(0, 0.5 * (1 + cos(Double.pi * 0.5 * 2 * progress)))
    }
}
