internal import CIntrinsics

/// Sum of the products of three rows, or of two where `z` is null.
@inline(__always)
private func sumOfProducts(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ z: UnsafePointer<Float>?, _ count: Int
) -> Float {
    sumOverRow(count) { at, valid, sum in
        let left = lanes(x + at, valid)
        let right = lanes(y + at, valid)
        guard let z else { return qv_multiply_add(left, right, sum) }
        return qv_multiply_add(left * lanes(z + at, valid), right, sum)
    }
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

/// The mean of a row.
@inline(__always)
private func meanOfRow(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    sumOverRow(count) { at, valid, sum in sum + lanes(x + at, valid) } / Float(count)
}

func layerNorm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ epsilon: Float,
    _ y: UnsafeMutablePointer<Float>, _ columns: Int64
) -> Float {
    let mean = qv_splat(meanOfRow(x, Int(columns)))
    let squares = sumOverRow(Int(columns)) { at, valid, sum in
        let deviation = onlyValid(lanes(x + at, valid) - mean, valid)
        return qv_multiply_add(deviation, deviation, sum)
    }
    let reciprocal = 1 / qv_square_root(qv_splat(squares / Float(columns) + epsilon))[0]
    let factor = qv_splat(reciprocal)
    if let bias {
        forEachVector(columns) { at, valid in
            let normalized = (lanes(x + at, valid) - mean) * factor
            put(qv_multiply_add(lanes(weight + at, valid), normalized, lanes(bias + at, valid)), y + at, valid)
        }
    } else {
        forEachVector(columns) { at, valid in
            put(lanes(weight + at, valid) * ((lanes(x + at, valid) - mean) * factor), y + at, valid)
        }
    }
    return reciprocal
}

func layerNormBackward(
    _ dY: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ reciprocal: Float,
    _ dX: UnsafeMutablePointer<Float>, _ adding: Int32, _ columns: Int64
) {
    // With z = (x - mean) r and g = w dy: mean and variance depend on every x, which takes mean(g) and z mean(g z) off.
    let count = Int(columns)
    let mean = qv_splat(meanOfRow(x, count))
    let sum = sumOverRow(count) { at, valid, sum in
        qv_multiply_add(lanes(weight + at, valid), lanes(dY + at, valid), sum)
    }
    let product = sumOverRow(count) { at, valid, sum in
        let direct = lanes(weight + at, valid) * lanes(dY + at, valid)
        return qv_multiply_add(direct, lanes(x + at, valid) - mean, sum)
    }
    let offset = qv_splat(sum / Float(columns))
    let factor = qv_splat(reciprocal)
    let correction = qv_splat(-(reciprocal * reciprocal * (product / Float(columns))))
    @inline(__always)
    func gradient(_ at: Int, _ valid: Int) -> Lanes {
        let direct = lanes(weight + at, valid) * lanes(dY + at, valid) - offset
        return factor * qv_multiply_add(correction, lanes(x + at, valid) - mean, direct)
    }
    if adding != 0 {
        forEachVector(columns) { at, valid in put(lanes(dX + at, valid) + gradient(at, valid), dX + at, valid) }
    } else {
        forEachVector(columns) { at, valid in put(gradient(at, valid), dX + at, valid) }
    }
}
