internal import CIntrinsics

/// One step of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019), as torch does it.
package struct AdamWStep: Sendable, Equatable {
    package var learningRate: Double
    package var beta1: Double
    package var beta2: Double
    package var epsilon: Double
    package var weightDecay: Double
    /// t, from 1.
    package var step: Int
    /// What gradients are multiplied with before anything else: the clip coefficient.
    package var gradientScale: Float

    package init(
        learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        weightDecay: Double = 0, step: Int, gradientScale: Float = 1
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.step = step
        self.gradientScale = gradientScale
    }

    /// The constants in float32, each made in double and rounded once.
    fileprivate var constants: qk_adamw {
        func power(_ base: Double) -> Double {
            // Exact enough by squaring: relative error below 64 roundings of 2^-53.
            var (result, factor, exponent) = (1.0, base, max(0, step))
            while exponent > 0 {
                if exponent & 1 == 1 { result *= factor }
                factor *= factor
                exponent >>= 1
            }
            return result
        }
        let firstCorrection = 1 - power(beta1)
        let secondCorrection = 1 - power(beta2)
        return qk_adamw(
            gradient_scale: gradientScale, decay: Float(1 - learningRate * weightDecay),
            first_weight: Float(1 - beta1), second_decay: Float(beta2), second_weight: Float(1 - beta2),
            second_correction: Float(secondCorrection.squareRoot()), epsilon: Float(epsilon),
            negative_step_size: Float(-(learningRate / firstCorrection)))
    }
}

extension ComputeContext {
    /// Updates `count` parameters and their moments in place, in the order of operations of torch's fused AdamW:
    /// g *= gradientScale; p *= 1 - lr wd; m += (g - m)(1 - beta1); v = beta2 v + (1 - beta2) g²;
    /// p -= (lr / c1) m / (sqrt(v) / sqrt(c2) + epsilon), with c = 1 - beta^t. Gradients stay as they are.
    package func adamW(
        parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoments: UnsafeMutablePointer<Float>, secondMoments: UnsafeMutablePointer<Float>, count: Int,
        step: AdamWStep
    ) {
        guard step.step >= 1 else { fatalError("AdamW counts its steps from 1") }
        let constants = step.constants
        let table = kernels.elementwise
        nonisolated(unsafe) let (p, g, m, v) = (parameters, gradients, firstMoments, secondMoments)  // disjoint ranges
        forEachElementRange(count, as: "optimizer") { range in
            var constants = constants
            let at = range.lowerBound
            table.adamw(p + at, g + at, m + at, v + at, Int64(range.count), &constants)
        }
    }
}
