internal import CIntrinsics
package import Tensors

extension ComputeContext {
    /// y = weight * (x * r) with r = 1 / sqrt(mean(x²) + epsilon) for each row (Zhang and Sennrich, "Root Mean Square
    /// Layer Normalization", 2019). x, y [M, C], weight [C]; y may be x.
    ///
    /// - Parameters:
    ///   - weightRows: rows of the weight; row m of x takes row m % weightRows.
    ///   - reciprocals: receives r of each row [M], which the backward needs; or nil.
    package func rmsNorm(
        _ x: FloatMatrix, weight: UnsafePointer<Float>, weightRows: Int = 1, epsilon: Float, into y: FloatMatrix,
        reciprocals: UnsafeMutablePointer<Float>?
    ) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        nonisolated(unsafe) let (weight, reciprocals) = (weight, reciprocals)  // tasks write disjoint rows
        forEachRowRange(rows: x.rows, columns: x.columns, as: "norms") { rows in
            for row in rows {
                let reciprocal = table.rms_norm(
                    x.row(row), weight + row % weightRows * x.columns, epsilon, y.row(row), Int64(x.columns))
                reciprocals?[row] = reciprocal
            }
        }
    }

    /// dX (= or +=) r * (weight * dY - x * r² * mean(weight * dY * x)) for each row, the input gradient of `rmsNorm`; the
    /// weight is frozen. dX may be dY where it is not added to.
    package func rmsNormBackward(
        _ dY: FloatMatrix, x: FloatMatrix, weight: UnsafePointer<Float>, weightRows: Int = 1,
        reciprocals: UnsafePointer<Float>, into dX: FloatMatrix, adding: Bool
    ) {
        requireSameShape(dY, x)
        requireSameShape(dY, dX)
        let table = kernels.elementwise
        nonisolated(unsafe) let (weight, reciprocals) = (weight, reciprocals)  // read only
        forEachRowRange(rows: x.rows, columns: x.columns, as: "norms") { rows in
            for row in rows {
                table.rms_norm_backward(
                    dY.row(row), x.row(row), weight + row % weightRows * x.columns, reciprocals[row], dX.row(row),
                    adding ? 1 : 0, Int64(x.columns))
            }
        }
    }

    /// y = weight * (x - mean(x)) * r + bias with r = 1 / sqrt(variance(x) + epsilon), the biased variance, for each row
    /// (Ba, Kiros and Hinton, "Layer Normalization", 2016). x, y [M, C], weight and bias [weightRows, C]; y may be x.
    ///
    /// - Parameters: as for `rmsNorm`; no bias is one of zeros.
    package func layerNorm(
        _ x: FloatMatrix, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?, weightRows: Int = 1,
        epsilon: Float, into y: FloatMatrix, reciprocals: UnsafeMutablePointer<Float>?
    ) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        nonisolated(unsafe) let (weight, bias, reciprocals) = (weight, bias, reciprocals)  // tasks write disjoint rows
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows {
                let start = row % weightRows * x.columns
                let reciprocal = table.layer_norm(
                    x.row(row), weight + start, bias.map { $0 + start }, epsilon, y.row(row), Int64(x.columns))
                reciprocals?[row] = reciprocal
            }
        }
    }

    /// dX (= or +=) r * (g - mean(g) - z * mean(g * z)) with g = weight * dY and z = (x - mean(x)) * r for each row, the
    /// input gradient of `layerNorm`; the weight is frozen. dX may be dY where it is not added to.
    package func layerNormBackward(
        _ dY: FloatMatrix, x: FloatMatrix, weight: UnsafePointer<Float>, weightRows: Int = 1,
        reciprocals: UnsafePointer<Float>, into dX: FloatMatrix, adding: Bool
    ) {
        requireSameShape(dY, x)
        requireSameShape(dY, dX)
        let table = kernels.elementwise
        nonisolated(unsafe) let (weight, reciprocals) = (weight, reciprocals)  // read only
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows {
                table.layer_norm_backward(
                    dY.row(row), x.row(row), weight + row % weightRows * x.columns, reciprocals[row], dX.row(row),
                    adding ? 1 : 0, Int64(x.columns))
            }
        }
    }
}
