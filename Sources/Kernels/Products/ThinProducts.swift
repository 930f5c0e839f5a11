internal import CIntrinsics
package import Tensors

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

    /// to [columns, stride] = from [rows, columns] transposed, the stride being a multiple of 16 and what lies behind the
    /// rows zero: the factor of a thin product with `from` transposed. On the calling thread where it has few columns.
    package func transpose(_ from: FloatMatrix, into to: FloatMatrix) {
        guard to.rows == from.columns, to.columns == from.rows, to.stride % 16 == 0 else {
            fatalError("[\(from.rows), \(from.columns)] transposed does not fill [\(to.rows), \(to.columns)]")
        }
        let kernels = kernels.products
        let columnsOfTask = 64
        let body: @Sendable (Range<Int>) -> Void = { columns in
            kernels.transpose(
                from.base + columns.lowerBound, Int64(from.stride), Int64(from.rows), Int64(columns.count),
                to.row(columns.lowerBound), Int64(to.stride))
        }
        let tasks = (from.columns + columnsOfTask - 1) / columnsOfTask
        // As long as waking a thread may take, fewer are done before it.
        guard tasks >= 64 else { return body(0..<from.columns) }
        measured("adapters") {
            pool.run(tasks) { task in
                body(task * columnsOfTask..<min(from.columns, (task + 1) * columnsOfTask))
            }
        }
    }

    /// Tasks of eight rows, all columns of the factor each.
    func thinPart(_ product: ThinProduct) -> RegionPart {
        let (x, factor, output) = (product.x, product.factor, product.output)
        guard x.columns == factor.rows, factor.columns == output.columns, x.rows == output.rows,
            factor.stride % 16 == 0
        else {
            fatalError(
                "a product of [\(x.rows), \(x.columns)] with [\(factor.rows), \(factor.columns)] cannot fill"
                    + " [\(output.rows), \(output.columns)]")
        }
        let kernels = kernels.products
        let rowsOfTask = 8
        return RegionPart(taskCount: (x.rows + rowsOfTask - 1) / rowsOfTask) { (index: Int) in
            let first = index * rowsOfTask
            var task = qk_thin_task(
                x: x.row(first), x_stride: Int64(x.stride), rows: Int64(min(rowsOfTask, x.rows - first)),
                length: Int64(x.columns), factor: factor.base, factor_stride: Int64(factor.stride),
                width: Int64(factor.columns), scale: product.scale, out: output.row(first),
                out_stride: Int64(output.stride))
            kernels.thin_product(&task)
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
