internal import CIntrinsics

/// The order of operations of torch's fused AdamW (`aten/src/ATen/native/cpu/FusedAdamKernel.cpp`), the default of
/// transformers' Trainer: bit for bit, where multiply and add are one instruction. Torch's other AdamW differs from it in
/// the last bit, because its square root is not correctly rounded.
func adamW(
    _ parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>,
    _ firstMoments: UnsafeMutablePointer<Float>, _ secondMoments: UnsafeMutablePointer<Float>, _ count: Int64,
    _ step: UnsafePointer<qk_adamw>
) {
    let step = step.pointee
    let gradientScale = qv_splat(step.gradient_scale)
    let decay = qv_splat(step.decay)
    let firstWeight = qv_splat(step.first_weight)
    let takesFarEnd = step.first_weight >= 0.5
    let farWeight = qv_splat(step.first_weight - 1)
    let secondDecay = qv_splat(step.second_decay)
    let secondWeight = qv_splat(step.second_weight)
    let correction = qv_splat(step.second_correction)
    let epsilon = qv_splat(step.epsilon)
    let stepSize = qv_splat(step.negative_step_size)
    forEachVector(count) { at, valid in
        let gradient = lanes(gradients + at, valid) * gradientScale
        let decayed = lanes(parameters + at, valid) * decay
        let oldFirst = lanes(firstMoments + at, valid)
        let difference = gradient - oldFirst
        // torch.lerp measures from the nearer end.
        let first =
            takesFarEnd
            ? qv_multiply_add(farWeight, difference, gradient) : qv_multiply_add(firstWeight, difference, oldFirst)
        let second = qv_multiply_add(
            secondWeight * gradient, gradient, lanes(secondMoments + at, valid) * secondDecay)
        let denominator = qv_square_root(second) / correction + epsilon
        put(first, firstMoments + at, valid)
        put(second, secondMoments + at, valid)
        put(decayed + stepSize * first / denominator, parameters + at, valid)
    }
}
