internal import CIntrinsics
package import Tensors

extension ComputeContext {
    /// y += x, both [M, N].
    package func add(_ x: FloatMatrix, into y: FloatMatrix) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { table.add(x.row(row), y.row(row), Int64(x.columns)) }
        }
    }

    /// y += factor * x, both [M, N].
    package func add(_ x: FloatMatrix, scaledBy factor: Float, into y: FloatMatrix) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { table.add_scaled(x.row(row), factor, y.row(row), Int64(x.columns)) }
        }
    }

    /// y = factor * x, both [M, N]; y may be x.
    package func scale(_ x: FloatMatrix, by factor: Float, into y: FloatMatrix) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { table.scale(x.row(row), factor, y.row(row), Int64(x.columns)) }
        }
    }

    /// y = x, both [M, N].
    package func copy(_ x: FloatMatrix, into y: FloatMatrix) {
        requireSameShape(x, y)
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { y.row(row).update(from: x.row(row), count: x.columns) }
        }
    }
}
