internal import CIntrinsics
package import Tensors

// Weights and biases are [weightRows, C]; row m of x takes row m % weightRows of them.

/// Of dy, x and the weight, with the reciprocal: to dx, adding or not.
private typealias NormGradient =
    @convention(c) (
        UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, Float, UnsafeMutablePointer<Float>, Int32,
        Int64
    ) -> Void

extension ComputeContext {
    /// y = weight * (x * r) with r = 1 / sqrt(mean(x²) + epsilon) for each row (Zhang and Sennrich, "Root Mean Square
    /// Layer Normalization", 2019). x, y [M, C]; y may be x.
    ///
    /// - Parameter reciprocals: receives r of each row [M], which the backward needs; or nil.
    package func rmsNorm(
        _ x: FloatMatrix, weight: UnsafePointer<Float>, weightRows: Int = 1, epsilon: Float, into y: FloatMatrix,
        reciprocals: UnsafeMutablePointer<Float>?
    ) -> RowPass {
        requireSameShape(x, y)
        let table = kernels.elementwise
        nonisolated(unsafe) let (weight, reciprocals) = (weight, reciprocals)  // tasks write disjoint rows
        return RowPass(filling: y, part: "norms") { rows, y in
            for row in rows {
                let start = row % weightRows * x.columns
                let reciprocal = table.rms_norm(x.row(row), weight + start, epsilon, y.row(row), Int64(x.columns))
                reciprocals?[row] = reciprocal
            }
        }
    }

    /// dX (= or +=) r * (weight * dY - x * r² * mean(weight * dY * x)) for each row, the input gradient of `rmsNorm`; the
    /// weight is frozen. dX may be dY where it is not added to.
    package func rmsNormBackward(
        _ dY: FloatMatrix, x: FloatMatrix, weight: UnsafePointer<Float>, weightRows: Int = 1,
        reciprocals: UnsafePointer<Float>, into dX: FloatMatrix, adding: Bool
    ) -> RowPass {
        backwardPass(
            kernels.elementwise.rms_norm_backward, dY, x: x, weight: weight, weightRows: weightRows,
            reciprocals: reciprocals, into: dX, adding: adding)
    }

    /// y = weight * (x - mean(x)) * r + bias with r = 1 / sqrt(variance(x) + epsilon), the biased variance, for each row
    /// (Ba, Kiros and Hinton, "Layer Normalization", 2016). x, y [M, C]; y may be x.
    ///
    /// - Parameters: as for `rmsNorm`; no bias is one of zeros.
    package func layerNorm(
        _ x: FloatMatrix, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?, weightRows: Int = 1,
        epsilon: Float, into y: FloatMatrix, reciprocals: UnsafeMutablePointer<Float>?
    ) -> RowPass {
        requireSameShape(x, y)
        let table = kernels.elementwise
        nonisolated(unsafe) let (weight, bias, reciprocals) = (weight, bias, reciprocals)  // tasks write disjoint rows
        return RowPass(filling: y, part: "norms") { rows, y in
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
    ) -> RowPass {
        backwardPass(
            kernels.elementwise.layer_norm_backward, dY, x: x, weight: weight, weightRows: weightRows,
            reciprocals: reciprocals, into: dX, adding: adding)
    }

    /// Either gradient: the kernels have one form.
    private func backwardPass(
        _ kernel: @escaping NormGradient, _ dY: FloatMatrix, x: FloatMatrix, weight: UnsafePointer<Float>,
        weightRows: Int,
        reciprocals: UnsafePointer<Float>, into dX: FloatMatrix, adding: Bool
    ) -> RowPass {
        requireSameShape(dY, x)
        requireSameShape(dY, dX)
        nonisolated(unsafe) let (weight, reciprocals) = (weight, reciprocals)  // read only
        return RowPass(rows: x.rows, columns: x.columns, part: "norms") { rows in
            for row in rows {
                kernel(
                    dY.row(row), x.row(row), weight + row % weightRows * x.columns, reciprocals[row], dX.row(row),
                    adding ? 1 : 0, Int64(x.columns))
            }
        }
    }
}
