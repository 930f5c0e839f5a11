internal import CIntrinsics
package import Tensors

/// Rows that are chosen by their indices: those with a target, those that go to experts and come back.
extension ComputeContext {
    /// y[m] = x[indices[m]] for each row of y [M, N].
    package func gatherRows(of x: FloatMatrix, at indices: UnsafePointer<Int32>, into y: FloatMatrix) {
        requireRows(indices, count: y.rows, of: x, columns: y.columns)
        nonisolated(unsafe) let indices = indices  // read only
        forEachRowRange(rows: y.rows, columns: y.columns) { rows in
            for row in rows { y.row(row).update(from: x.row(Int(indices[row])), count: y.columns) }
        }
    }

    /// y[indices[m]] = x[m] for each row of x [M, N]; every index is another row of y.
    package func scatterRows(_ x: FloatMatrix, into y: FloatMatrix, at indices: UnsafePointer<Int32>) {
        requireRows(indices, count: x.rows, of: y, columns: x.columns)
        nonisolated(unsafe) let indices = indices  // read only
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { y.row(Int(indices[row])).update(from: x.row(row), count: x.columns) }
        }
    }

    /// y[m] += table[indices[m]] for each row of y [M, N].
    package func addRows(of table: FloatMatrix, at indices: UnsafePointer<Int32>, into y: FloatMatrix) {
        requireRows(indices, count: y.rows, of: table, columns: y.columns)
        let kernels = kernels.elementwise
        nonisolated(unsafe) let indices = indices  // read only
        forEachRowRange(rows: y.rows, columns: y.columns) { rows in
            for row in rows { kernels.add(table.row(Int(indices[row])), y.row(row), Int64(y.columns)) }
        }
    }

    /// y[m] (= or +=) sum over j of factors[m·k + j] * x[places[m·k + j]], terms in the order of j; factors of 1 without any.
    /// y [M, N], places and factors [M, k].
    package func sumRows(
        _ x: FloatMatrix, at places: UnsafePointer<Int32>, perRow: Int, factors: UnsafePointer<Float>?,
        into y: FloatMatrix, adding: Bool
    ) {
        requireRows(places, count: y.rows * perRow, of: x, columns: y.columns)
        let table = kernels.elementwise
        nonisolated(unsafe) let (places, factors) = (places, factors)  // read only
        forEachRowRange(rows: y.rows, columns: y.columns * perRow) { rows in
            for row in rows {
                for index in row * perRow..<(row + 1) * perRow {
                    let source = x.row(Int(places[index])), factor = factors?[index] ?? 1
                    if index > row * perRow || adding {
                        table.add_scaled(source, factor, y.row(row), Int64(y.columns))
                    } else {
                        table.scale(source, factor, y.row(row), Int64(y.columns))
                    }
                }
            }
        }
    }

    /// y[m] = factors[m] * x[m] for each row; y may be x.
    package func scaleRows(_ x: FloatMatrix, by factors: UnsafePointer<Float>, into y: FloatMatrix) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        nonisolated(unsafe) let factors = factors  // read only
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { table.scale(x.row(row), factors[row], y.row(row), Int64(x.columns)) }
        }
    }

    /// y[m] += factors[m] * x[m] for each row.
    package func addRows(_ x: FloatMatrix, scaledBy factors: UnsafePointer<Float>, into y: FloatMatrix) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        nonisolated(unsafe) let factors = factors  // read only
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { table.add_scaled(x.row(row), factors[row], y.row(row), Int64(x.columns)) }
        }
    }

    /// products[m] = sum over n of x[m, n] * y[m, n].
    package func dotRows(_ x: FloatMatrix, _ y: FloatMatrix, into products: UnsafeMutablePointer<Float>) {
        requireSameShape(x, y)
        let table = kernels.elementwise
        nonisolated(unsafe) let products = products  // tasks write disjoint elements
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { products[row] = table.dot(x.row(row), y.row(row), Int64(x.columns)) }
        }
    }

    private func requireRows(_ indices: UnsafePointer<Int32>, count: Int, of x: FloatMatrix, columns: Int) {
        guard x.columns == columns else { fatalError("rows of \(x.columns) elements are not \(columns) wide") }
        for index in 0..<count where indices[index] < 0 || Int(indices[index]) >= x.rows {
            fatalError("row \(indices[index]) of a matrix of \(x.rows) rows was asked for")
        }
    }
}
