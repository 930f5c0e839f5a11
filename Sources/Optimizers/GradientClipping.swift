/// The rule by which gradients are scaled down to a largest norm, that of `torch.nn.utils.clip_grad_norm_`.
public enum GradientClipping {
    /// The factor every gradient is multiplied by: `limit / (norm + 1e-6)`, at most 1, in float32 as torch computes
    /// it (a reciprocal, then a product).
    ///
    /// - Parameters:
    ///   - norm: the Euclidean norm of all gradients.
    ///   - limit: the largest norm; 0 switches clipping off.
    /// - Returns: 1 without clipping; NaN for a norm that is NaN, and 0 for an infinite one.
    public static func coefficient(norm: Float, limit: Double) -> Float {
        guard limit > 0 else { return 1 }
        let coefficient = (1 / (norm + 1e-6)) * Float(limit)
        return coefficient > 1 ? 1 : coefficient
    }
}
