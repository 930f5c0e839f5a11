internal import CIntrinsics

/// Sum of the products of three rows, or of two where `z` is null: four chains of lanes, joined in one fixed order.
@inline(__always)
private func sumOfProducts(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ z: UnsafePointer<Float>?, _ count: Int
) -> Float {
    @inline(__always)
    func term(_ at: Int, _ valid: Int, _ sum: Lanes) -> Lanes {
        let left = lanes(x + at, valid)
        let right = lanes(y + at, valid)
        guard let z else { return qv_multiply_add(left, right, sum) }
        return qv_multiply_add(left * lanes(z + at, valid), right, sum)
    }
    var (first, second, third, fourth) = (qv_splat(0), qv_splat(0), qv_splat(0), qv_splat(0))
    var at = 0
    while at &+ 64 <= count {
        first = term(at, 16, first)
        second = term(at &+ 16, 16, second)
        third = term(at &+ 32, 16, third)
        fourth = term(at &+ 48, 16, fourth)
        at &+= 64
    }
    while at &+ 16 <= count {
        first = term(at, 16, first)
        at &+= 16
    }
    if at < count { second = term(at, count &- at, second) }
    return qv_sum((first + second) + (third + fourth))
}

func rmsNorm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ epsilon: Float, _ y: UnsafeMutablePointer<Float>,
    _ columns: Int64
) -> Float {
    let mean = sumOfProducts(x, x, nil, Int(columns)) / Float(columns)
    let reciprocal = 1 / qv_square_root(qv_splat(mean + epsilon))[0]
    let factor = qv_splat(reciprocal)
    forEachVector(columns) { at, valid in
        put(lanes(weight + at, valid) * (lanes(x + at, valid) * factor), y + at, valid)
    }
    return reciprocal
}

func rmsNormBackward(
    _ dY: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ reciprocal: Float,
    _ dX: UnsafeMutablePointer<Float>, _ adding: Int32, _ columns: Int64
) {
    // y = w x r with r = (mean(x^2) + eps)^-1/2, so dr/dx = -r^3 x / C and dx = r w dy - r^3 x mean(w dy x).
    let mean = sumOfProducts(dY, x, weight, Int(columns)) / Float(columns)
    let factor = qv_splat(reciprocal)
    let correction = qv_splat(-(reciprocal * reciprocal * mean))
    @inline(__always)
    func gradient(_ at: Int, _ valid: Int) -> Lanes {
        let direct = lanes(weight + at, valid) * lanes(dY + at, valid)
        return factor * qv_multiply_add(correction, lanes(x + at, valid), direct)
    }
    if adding != 0 {
        forEachVector(columns) { at, valid in put(lanes(dX + at, valid) + gradient(at, valid), dX + at, valid) }
    } else {
        forEachVector(columns) { at, valid in put(gradient(at, valid), dX + at, valid) }
    }
}
