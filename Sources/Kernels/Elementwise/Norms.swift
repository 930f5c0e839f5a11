internal import CIntrinsics
package import Tensors

extension ComputeContext {
    /// y = weight * (x * r) with r = 1 / sqrt(mean(x²) + epsilon) for each row (Zhang and Sennrich, "Root Mean Square
    /// Layer Normalization", 2019). x, y [M, C], weight [C]; y may be x.
    ///
    /// - Parameter reciprocals: receives r of each row [M], which the backward needs; or nil.
    package func rmsNorm(
        _ x: FloatMatrix, weight: UnsafePointer<Float>, epsilon: Float, into y: FloatMatrix,
        reciprocals: UnsafeMutablePointer<Float>?
    ) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        nonisolated(unsafe) let (weight, reciprocals) = (weight, reciprocals)  // tasks write disjoint rows
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows {
                let reciprocal = table.rms_norm(x.row(row), weight, epsilon, y.row(row), Int64(x.columns))
                reciprocals?[row] = reciprocal
            }
        }
    }

    /// dX (= or +=) r * (weight * dY - x * r² * mean(weight * dY * x)) for each row, the input gradient of `rmsNorm`; the
    /// weight is frozen. dX may be dY where it is not added to.
    package func rmsNormBackward(
        _ dY: FloatMatrix, x: FloatMatrix, weight: UnsafePointer<Float>, reciprocals: UnsafePointer<Float>,
        into dX: FloatMatrix, adding: Bool
    ) {
        requireSameShape(dY, x)
        requireSameShape(dY, dX)
        let table = kernels.elementwise
        nonisolated(unsafe) let (weight, reciprocals) = (weight, reciprocals)  // read only
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows {
                table.rms_norm_backward(
                    dY.row(row), x.row(row), weight, reciprocals[row], dX.row(row), adding ? 1 : 0, Int64(x.columns))
            }
        }
    }
}
