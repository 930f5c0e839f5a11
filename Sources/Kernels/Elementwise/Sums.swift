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

    /// Sets `count` numbers to zero.
    package func clear(_ x: UnsafeMutablePointer<Float>, count: Int) {
        nonisolated(unsafe) let x = x  // tasks write disjoint ranges
        forEachElementRange(count) { range in
            (x + range.lowerBound).update(repeating: 0, count: range.count)
        }
    }

    /// y += row for each row of y [M, N].
    package func add(row: UnsafePointer<Float>, into y: FloatMatrix) {
        let table = kernels.elementwise
        nonisolated(unsafe) let row = row  // read only
        forEachRowRange(rows: y.rows, columns: y.columns) { rows in
            for index in rows { table.add(row, y.row(index), Int64(y.columns)) }
        }
    }

    /// Copies runs of columns of x [M, …] to y [M, …]; x and y do not overlap.
    package func copyColumns(_ x: FloatMatrix, into y: FloatMatrix, _ runs: [ColumnRun]) {
        guard x.rows == y.rows,
            runs.allSatisfy({ $0.source + $0.count <= x.columns && $0.target + $0.count <= y.columns })
        else { fatalError("columns outside matrices of \(x.columns) and \(y.columns) were asked for") }
        forEachRowRange(rows: x.rows, columns: runs.reduce(0) { $0 + $1.count }) { rows in
            for row in rows {
                for run in runs { (y.row(row) + run.target).update(from: x.row(row) + run.source, count: run.count) }
            }
        }
    }
}

/// Columns that lie together in one matrix and, elsewhere, in another.
package struct ColumnRun: Sendable {
    /// The first column in the matrix copied from, and in that copied to.
    package let source, target: Int
    package let count: Int

    package init(source: Int, target: Int, count: Int) {
        self.source = source
        self.target = target
        self.count = count
    }

    /// The run that copies back.
    package var reversed: ColumnRun { ColumnRun(source: target, target: source, count: count) }
}
