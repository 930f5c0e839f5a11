internal import CIntrinsics

/// Cross entropy of one row of logits, in two passes for the loss and a third, without exponentials, for the gradient.
func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, _ count: Int64, _ label: Int64, _ gradientScale: Float, _ writes: Int32
) -> Float {
    let columns = Int(count)
    let largest = largestElement(logits, columns)
    let offset = qv_splat(largest)
    let labelLogit = logits[Int(label)]
    @inline(__always)
    func exponentials(_ at: Int, _ valid: Int, _ sum: Lanes) -> Lanes {
        // The padding lanes of a short vector must add nothing: only the first `valid` lanes count.
        let power = exponential(lanes(logits + at, valid) - offset)
        if writes != 0 { put(power, logits + at, valid) }
        if valid == 16 { return sum + power }
        let isValid = qv_less_or_equal_integers(qv_indices(), qv_splat_integer(Int32(truncatingIfNeeded: valid &- 1)))
        return sum + qv_select(isValid, power, qv_splat(0))
    }
    var (first, second, third, fourth) = (qv_splat(0), qv_splat(0), qv_splat(0), qv_splat(0))
    var at = 0
    while at &+ 64 <= columns {
        first = exponentials(at, 16, first)
        second = exponentials(at &+ 16, 16, second)
        third = exponentials(at &+ 32, 16, third)
        fourth = exponentials(at &+ 48, 16, fourth)
        at &+= 64
    }
    while at &+ 16 <= columns {
        first = exponentials(at, 16, first)
        at &+= 16
    }
    if at < columns { second = exponentials(at, columns &- at, second) }
    let sum = qv_sum((first + second) + (third + fourth))
    let loss = (largest - labelLogit) + logarithm(qv_splat(sum))[0]
    guard writes != 0 else { return loss }

    let factor = qv_splat(gradientScale / sum)
    forEachVector(count) { at, valid in put(lanes(logits + at, valid) * factor, logits + at, valid) }
    logits[Int(label)] -= gradientScale
    return loss
}
