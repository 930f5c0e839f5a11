internal import CIntrinsics

/// Cross entropy of one row of logits, in two passes for the loss and a third, without exponentials, for the gradient.
/// Capped logits are needed once more for the slope of the cap: there the third pass makes the exponentials again.
func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, _ count: Int64, _ label: Int64, _ gradientScale: Float, _ writes: Int32,
    _ softCap: Float
) -> Float {
    let columns = Int(count)
    let largest = largestElement(logits, columns)
    let offset = qv_splat(largest)
    let labelLogit = logits[Int(label)]
    @inline(__always)
    func exponentials(_ at: Int, _ valid: Int, _ sum: Lanes) -> Lanes {
        // The padding lanes of a short vector must add nothing: only the first `valid` lanes count.
        let power = exponentialUpToOne(lanes(logits + at, valid) - offset)
        if writes != 0 && softCap == 0 { put(power, logits + at, valid) }
        return sum + onlyValid(power, valid)
    }
    let sum = sumOverRow(columns, exponentials)
    let loss = (largest - labelLogit) + logarithm(qv_splat(sum))[0]
    guard writes != 0 else { return loss }

    let factor = qv_splat(gradientScale / sum)
    guard softCap == 0 else {
        let reciprocal = qv_splat(1 / softCap)
        let labelShare = labelLogit / softCap
        forEachVector(count) { at, valid in
            let logit = lanes(logits + at, valid)
            let share = logit * reciprocal
            let slope = qv_splat(1) - share * share
            put(exponentialUpToOne(logit - offset) * factor * slope, logits + at, valid)
        }
        logits[Int(label)] -= gradientScale * (1 - labelShare * labelShare)
        return loss
    }
    forEachVector(count) { at, valid in put(lanes(logits + at, valid) * factor, logits + at, valid) }
    logits[Int(label)] -= gradientScale
    return loss
}

/// A part of a row of logits in two passes, with the running maximum and sum of Milakov and Gimelshein ("Online normalizer
/// calculation for softmax", 2018).
func softmaxPart(
    _ logits: UnsafeMutablePointer<Float>, _ count: Int64, _ state: UnsafeMutablePointer<qk_running_softmax>,
    _ softCap: Float
) -> Float {
    let columns = Int(count)
    let earlier = state.pointee.largest
    let ofPart = largestElement(logits, columns)
    let largest = ofPart > earlier ? ofPart : earlier
    let offset = qv_splat(largest)
    let reciprocal = qv_splat(softCap == 0 ? 0 : 1 / softCap)
    @inline(__always)
    func exponentials(_ at: Int, _ valid: Int, _ sum: Lanes) -> Lanes {
        let logit = lanes(logits + at, valid)
        let power = exponentialUpToOne(logit - offset)
        if softCap == 0 {
            put(power, logits + at, valid)
        } else {
            let share = logit * reciprocal
            put(power * (qv_splat(1) - share * share), logits + at, valid)
        }
        return sum + onlyValid(power, valid)
    }
    let sum = sumOverRow(columns, exponentials)
    let factor = exponentialUpToOne(qv_splat(earlier) - offset)[0]
    state.pointee.largest = largest
    state.pointee.sum = state.pointee.sum * factor + sum
    return factor
}
