internal import CIntrinsics
package import Tensors

/// output [M, R] = scale * x [M, K] · factor [K, R], in float32.
package struct ThinProduct: Sendable {
    package var x: FloatMatrix
    /// Its stride is `factorStride`, or a larger multiple of 16; what lies between R and the stride is finite.
    package var factor: FloatMatrix
    package var scale: Float
    package var output: FloatMatrix

    package init(_ x: FloatMatrix, by factor: FloatMatrix, scale: Float, into output: FloatMatrix) {
        self.x = x
        self.factor = factor
        self.scale = scale
        self.output = output
    }

    /// Elements between the rows of a factor with so many columns.
    package static func factorStride(_ columns: Int) -> Int { (columns + 15) & ~15 }

    /// Stops the program where the matrices do not fit each other, or do not have so many rows.
    func requireFit(rows: Int) {
        guard x.columns == factor.rows, factor.columns == output.columns, x.rows == rows, output.rows == rows,
            factor.stride % 16 == 0, factor.stride >= factor.columns
        else {
            fatalError(
                "a product of [\(x.rows), \(x.columns)] with [\(factor.rows), \(factor.columns)] cannot fill"
                    + " [\(output.rows), \(output.columns)], nor run beside \(rows) rows")
        }
    }

    /// Some rows of the output, of the same rows of a matrix like x, on the calling thread.
    func run(_ rows: Range<Int>, of x: FloatMatrix, _ kernels: qk_product_kernels) {
        var task = qk_thin_task(
            x: x.row(rows.lowerBound), x_stride: Int64(x.stride), rows: Int64(rows.count), length: Int64(x.columns),
            factor: factor.base, factor_stride: Int64(factor.stride), width: Int64(factor.columns), scale: scale,
            out: output.row(rows.lowerBound), out_stride: Int64(output.stride))
        kernels.thin_product(&task)
    }
}

/// to [columns, stride] = from [rows, columns] transposed, the stride being a multiple of 16 and what lies behind the rows zero:
/// the factor of a thin product with `from` transposed.
package struct Transposition: Sendable {
    let from: FloatMatrix
    let to: FloatMatrix

    package init(_ from: FloatMatrix, into to: FloatMatrix) {
        guard to.rows == from.columns, to.columns == from.rows, to.stride % 16 == 0, to.stride >= to.columns else {
            fatalError("[\(from.rows), \(from.columns)] transposed does not fill [\(to.rows), \(to.columns)]")
        }
        self.from = from
        self.to = to
    }
}

/// output [p, q] += left [M, p] transposed · right [M, q], in float32, row after row: two calls with the rows of one after
/// the other give the bits of one call with all of them.
package struct OuterProduct: Sendable {
    package var left: FloatMatrix
    package var right: FloatMatrix
    package var output: FloatMatrix

    package init(_ left: FloatMatrix, _ right: FloatMatrix, into output: FloatMatrix) {
        self.left = left
        self.right = right
        self.output = output
    }
}

extension ComputeContext {
    /// Runs thin products as one region.
    package func multiply(_ products: [ThinProduct]) {
        guard !products.isEmpty else { return }
        measured("adapters") { pool.run(products.map(thinPart)) }
    }

    /// Runs outer products as one region.
    package func accumulate(_ products: [OuterProduct]) {
        guard !products.isEmpty else { return }
        measured("adapters") { pool.run(products.map { outerPart($0, height: 16, width: 128) }) }
    }

    /// Runs a transposition as one region.
    package func transpose(_ transposition: Transposition) {
        measured("adapters") { pool.run([transposePart(transposition)]) }
    }

    /// Tasks of 64 columns.
    func transposePart(_ transposition: Transposition) -> RegionPart {
        let (from, to) = (transposition.from, transposition.to)
        let kernels = kernels.products
        let columnsOfTask = 64
        return RegionPart(taskCount: (from.columns + columnsOfTask - 1) / columnsOfTask) { (task: Int) in
            let column = task * columnsOfTask
            kernels.transpose(
                from.base + column, Int64(from.stride), Int64(from.rows),
                Int64(min(columnsOfTask, from.columns - column)),
                to.row(column), Int64(to.stride))
        }
    }

    /// Tasks of a tile's rows, all columns of the factor each.
    private func thinPart(_ product: ThinProduct) -> RegionPart {
        let (rows, rowsOfTask) = (product.x.rows, Int(kernels.products.tile_rows))
        product.requireFit(rows: rows)
        let kernels = kernels.products
        return RegionPart(taskCount: (rows + rowsOfTask - 1) / rowsOfTask) { (index: Int) in
            product.run(index * rowsOfTask..<min(rows, (index + 1) * rowsOfTask), of: product.x, kernels)
        }
    }

    /// Tasks of a block of the output; smaller blocks are more tasks, which read their inputs more often.
    func outerPart(_ product: OuterProduct, height: Int = 32, width: Int = 256) -> RegionPart {
        let (left, right, output) = (product.left, product.right, product.output)
        guard left.rows == right.rows, output.rows == left.columns, output.columns == right.columns else {
            fatalError(
                "an outer product of [\(left.rows), \(left.columns)] and [\(right.rows), \(right.columns)] does not give "
                    + "[\(output.rows), \(output.columns)]")
        }
        let kernels = kernels.products
        let across = (output.columns + width - 1) / width
        return RegionPart(taskCount: (output.rows + height - 1) / height * across) { (index: Int) in
            let firstRow = index / across * height, firstColumn = index % across * width
            let place = output.row(firstRow) + firstColumn
            var task = qk_outer_task(
                left: left.base + firstRow, left_stride: Int64(left.stride),
                left_count: Int64(min(height, output.rows - firstRow)), right: right.base + firstColumn,
                right_stride: Int64(right.stride), right_count: Int64(min(width, output.columns - firstColumn)),
                rows: Int64(left.rows), out: place, out_stride: Int64(output.stride))
            kernels.outer_product(&task)
        }
    }
}
