internal import CIntrinsics

/// Attention of one query row over at most QK_ATTENTION_DECODE_KEYS keys, for the heads that share them: the keys and
/// values are read once, in place. Dot products run with the head's channels as lanes.
func attentionDecode(_ task: UnsafePointer<qk_attention_decode>) {
    let task = task.pointee
    let width = Int(task.head_width)
    let keyCount = Int(task.keys)
    let heads = Int(task.heads)
    let scoreRow = QK_ATTENTION_DECODE_KEYS
    let partialRow = width &+ 2

    for key in 0..<keyCount {
        let k = task.k + key &* Int(task.k_stride)
        var head = 0
        while head < heads {
            // Four heads share each load; absent ones repeat the last, and their scores are not stored.
            let q0 = task.q + head &* width
            let q1 = task.q + min(head &+ 1, heads &- 1) &* width
            let q2 = task.q + min(head &+ 2, heads &- 1) &* width
            let q3 = task.q + min(head &+ 3, heads &- 1) &* width
            var (s0, s1, s2, s3) = (qv_splat(0), qv_splat(0), qv_splat(0), qv_splat(0))
            forEachVector(task.head_width) { at, valid in
                let row = lanes(k + at, valid)
                s0 = qv_multiply_add(lanes(q0 + at, valid), row, s0)
                s1 = qv_multiply_add(lanes(q1 + at, valid), row, s1)
                s2 = qv_multiply_add(lanes(q2 + at, valid), row, s2)
                s3 = qv_multiply_add(lanes(q3 + at, valid), row, s3)
            }
            let target = task.scratch + (head &* scoreRow &+ key)
            target[0] = qv_sum(s0) * task.scale
            if head &+ 1 < heads { target[scoreRow] = qv_sum(s1) * task.scale }
            if head &+ 2 < heads { target[2 &* scoreRow] = qv_sum(s2) * task.scale }
            if head &+ 3 < heads { target[3 &* scoreRow] = qv_sum(s3) * task.scale }
            head &+= 4
        }
    }

    for head in 0..<heads {
        let scores = task.scratch + head &* scoreRow
        let partial = task.partial + head &* partialRow
        if task.soft_cap != 0 {
            let cap = qv_splat(task.soft_cap)
            forEachVector(task.keys) { at, valid in
                put(softCapped(lanes(scores + at, valid), cap: cap), scores + at, valid)
            }
        }
        let largest = largestElement(scores, keyCount)
        let offset = qv_splat(largest)
        var sum = qv_splat(0)
        forEachVector(task.keys) { at, valid in
            let isKey = qv_less_or_equal_integers(
                qv_indices(), qv_splat_integer(Int32(truncatingIfNeeded: valid &- 1)))
            let weight = qv_select(isKey, exponential(lanes(scores + at, valid) - offset), qv_splat(0))
            put(weight, scores + at, valid)
            sum = sum + weight
        }
        partial[0] = largest
        partial[1] = qv_sum(sum)
    }

    var column = 0
    while column < width {
        let valid = min(16, width &- column)
        var head = 0
        while head < heads {
            let w0 = task.scratch + head &* scoreRow
            let w1 = task.scratch + min(head &+ 1, heads &- 1) &* scoreRow
            let w2 = task.scratch + min(head &+ 2, heads &- 1) &* scoreRow
            let w3 = task.scratch + min(head &+ 3, heads &- 1) &* scoreRow
            var (s0, s1, s2, s3) = (qv_splat(0), qv_splat(0), qv_splat(0), qv_splat(0))
            for key in 0..<keyCount {
                let row = lanes(task.v + (key &* Int(task.v_stride) &+ column), valid)
                s0 = qv_multiply_add(qv_splat(w0[key]), row, s0)
                s1 = qv_multiply_add(qv_splat(w1[key]), row, s1)
                s2 = qv_multiply_add(qv_splat(w2[key]), row, s2)
                s3 = qv_multiply_add(qv_splat(w3[key]), row, s3)
            }
            let target = task.partial + (head &* partialRow &+ 2 &+ column)
            put(s0, target, valid)
            if head &+ 1 < heads { put(s1, target + partialRow, valid) }
            if head &+ 2 < heads { put(s2, target + 2 &* partialRow, valid) }
            if head &+ 3 < heads { put(s3, target + 3 &* partialRow, valid) }
            head &+= 4
        }
        column &+= 16
    }
}

func attentionJoin(
    _ partials: UnsafePointer<Float>, _ count: Int64, _ stride: Int64, _ headWidth: Int64,
    _ out: UnsafeMutablePointer<Float>
) {
    var largest = partials[0]
    for index in 1..<max(1, Int(count)) { largest = max(largest, partials[index &* Int(stride)]) }
    var normalizer: Float = 0
    for index in 0..<Int(count) {
        let partial = partials + index &* Int(stride)
        let factor = exponential(qv_splat(partial[0] - largest))
        normalizer += factor[0] * partial[1]
        forEachVector(headWidth) { at, valid in
            let term = factor * lanes(partial + (2 &+ at), valid)
            put(index == 0 ? term : lanes(out + at, valid) + term, out + at, valid)
        }
    }
    let divisor = qv_splat(normalizer)
    forEachVector(headWidth) { at, valid in put(lanes(out + at, valid) / divisor, out + at, valid) }
}
