package import Kernels

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), in torch's order of operations: the kernel's
/// documentation gives the formula.
package struct AdamW: Optimizer {
    package static let name = "adamw"
    package static let stateNames = ["exp_avg", "exp_avg_sq"]

    private let settings: OptimizerSettings

    package init(_ settings: OptimizerSettings) { self.settings = settings }

    package func update(
        _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        states: [UnsafeMutablePointer<Float>], count: Int, step: OptimizerStep, context: ComputeContext
    ) {
        guard states.count == Self.stateNames.count else { fatalError("AdamW has two arrays of state") }
        context.adamW(
            parameters: parameters, gradients: gradients, firstMoments: states[0], secondMoments: states[1],
            count: count,
            step: AdamWStep(
                learningRate: step.learningRate, beta1: settings.beta1, beta2: settings.beta2,
                epsilon: settings.epsilon, weightDecay: settings.weightDecay, step: step.number,
                gradientScale: step.gradientScale))
    }
}
