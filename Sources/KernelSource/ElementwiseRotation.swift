internal import CIntrinsics

func rotate(
    _ x: UnsafeMutablePointer<Float>, _ heads: Int64, _ headWidth: Int64, _ rotaryWidth: Int64,
    _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>, _ sign: Float
) {
    let half = rotaryWidth / 2
    let sign = qv_splat(sign)
    for head in 0..<Int(heads) {
        let low = x + head &* Int(headWidth)
        let high = low + Int(half)
        forEachVector(half) { at, valid in
            let cosine = lanes(cosines + at, valid)
            let sine = sign * lanes(sines + at, valid)
            let a = lanes(low + at, valid)
            let b = lanes(high + at, valid)
            put(a * cosine - b * sine, low + at, valid)
            put(b * cosine + a * sine, high + at, valid)
        }
    }
}

func rotatePairs(
    _ x: UnsafeMutablePointer<Float>, _ heads: Int64, _ headWidth: Int64, _ rotaryWidth: Int64,
    _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>, _ sign: Float
) {
    for head in 0..<Int(heads) {
        let channels = x + head &* Int(headWidth)
        for pair in 0..<Int(rotaryWidth / 2) {
            let cosine = cosines[pair]
            let sine = sign * sines[pair]
            let a = channels[2 &* pair]
            let b = channels[2 &* pair &+ 1]
            channels[2 &* pair] = a * cosine - b * sine
            channels[2 &* pair &+ 1] = b * cosine + a * sine
        }
    }
}
