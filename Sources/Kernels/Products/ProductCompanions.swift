internal import CIntrinsics
internal import Tensors

/// What is done in the two regions of products besides them: that which packs their inputs, and that which multiplies.
package struct ProductCompanions: Sendable {
    /// Fill rows of the products' inputs, one pass after the other, right before they are packed.
    package var filling: [RowPass]
    /// Whether the inputs are read again when the products are done. Where not, and where a pass fills the only one, its rows
    /// need not leave the caches of the thread that packs them: the matrix keeps what it held.
    package var keepsInputs: Bool
    /// Fill other matrices, beside the packing.
    package var beside: [RowPass]
    /// Factors of the thin products, made before those run.
    package var factors: [Transposition] = []
    /// Made of the same rows as they are packed: they do not depend on the products, but may make the left factors of their
    /// low-rank terms.
    package var thin: [ThinProduct]
    /// Products of what all of these make, beside the multiplication.
    package var outer: [OuterProduct]

    package init(
        filling: [RowPass] = [], keepsInputs: Bool = true, beside: [RowPass] = [], thin: [ThinProduct] = [],
        outer: [OuterProduct] = []
    ) {
        self.filling = filling
        self.keepsInputs = keepsInputs
        self.beside = beside
        self.thin = thin
        self.outer = outer
    }
}

extension ComputeContext {
    /// Does all of it without products.
    package func run(_ companions: ProductCompanions) {
        fill(companions)
        multiply(companions.thin)
        accumulate(companions.outer)
    }

    /// All that does not depend on the inputs, and what fills them.
    func fill(_ companions: ProductCompanions) {
        run(companions.filling)
        for pass in companions.beside { run(pass) }
        for factor in companions.factors { transpose(factor) }
    }

    /// Everything that is done in the region that packs the inputs: what does not depend on them first.
    ///
    /// - Parameters: as of `inputPart`.
    func packingParts(
        _ inputs: [FloatMatrix], _ companions: ProductCompanions, _ plan: ProductPlan, bfloat16: Bool,
        into packed: [UnsafeMutableRawPointer], chunkBytes: [Int], workspaces: UnsafeMutableRawPointer,
        workspaceStride: Int
    ) -> [RegionPart] {
        let factors = companions.factors.map(transposePart)
        let gate = factors.isEmpty ? nil : TaskGate(taskCount: factors.reduce(0) { $0 + $1.taskCount }, pool: pool)
        let input = inputPart(
            inputs, companions, plan, bfloat16: bfloat16, into: packed, chunkBytes: chunkBytes, workspaces: workspaces,
            workspaceStride: workspaceStride, factors: gate)
        return factors.map { gate?.opened(by: $0) ?? $0 } + companions.beside.map { RegionPart($0) } + [input]
    }

    /// Rows of the inputs of products: each task fills some, packs them, and multiplies them with thin factors, so that what is
    /// written first is read again from the first cache levels.
    ///
    /// - Parameters:
    ///   - packed: where the packed rows of each input begin.
    ///   - chunkBytes: bytes of a packed chunk of each input.
    ///   - workspaces: memory of each thread, so many bytes apart.
    ///   - factors: opens when thin products may run.
    private func inputPart(
        _ inputs: [FloatMatrix], _ companions: ProductCompanions, _ plan: ProductPlan, bfloat16: Bool,
        into packed: [UnsafeMutableRawPointer], chunkBytes: [Int], workspaces: UnsafeMutableRawPointer,
        workspaceStride: Int, factors: TaskGate?
    ) -> RegionPart {
        let rows = inputs[0].rows
        for product in companions.thin { product.requireFit(rows: rows) }
        guard companions.filling.allSatisfy({ $0.rows == rows }) else {
            fatalError("a pass over other rows than the \(rows) of a product's inputs cannot fill them")
        }
        let kernels = kernels.products
        let (filling, thin) = (companions.filling, companions.thin)
        let rowsOfTask = packedRowsOfTask(rows)
        nonisolated(unsafe) let (packed, workspaces) = (packed, workspaces)  // tasks write disjoint parts
        let passing = passingOutput(
            inputs, companions, bytes: workspaceStride, rows: rowsOfTask)
        return RegionPart(taskCount: (rows + rowsOfTask - 1) / rowsOfTask) { (tasks: Range<Int>, worker: Int) in
            for task in tasks {
                let range = task * rowsOfTask..<min(rows, (task + 1) * rowsOfTask)
                if let passing {
                    let floats = (workspaces + worker * workspaceStride).assumingMemoryBound(to: Float.self)
                    let x = passing.rows(range, at: floats)
                    passing.fill(range, x)
                    pack(
                        x, rows: range, plan, plan.reductions[0], bfloat16: bfloat16, into: packed[0],
                        chunkBytes: chunkBytes[0], kernels)
                    factors?.wait()
                    for product in thin {
                        product.run(range, of: product.x.base == inputs[0].base ? x : product.x, kernels)
                    }
                    continue
                }
                for pass in filling { pass.body(range) }
                for (index, input) in inputs.enumerated() {
                    pack(
                        input, rows: range, plan, plan.reductions[index], bfloat16: bfloat16, into: packed[index],
                        chunkBytes: chunkBytes[index], kernels)
                }
                factors?.wait()
                for product in thin { product.run(range, of: product.x, kernels) }
            }
        }
    }

    /// The pass that fills the only input, where its rows are not kept and so many fit into so many bytes.
    private func passingOutput(
        _ inputs: [FloatMatrix], _ companions: ProductCompanions, bytes: Int, rows: Int
    ) -> PassingOutput? {
        guard !companions.keepsInputs, inputs.count == 1, companions.filling.count == 1,
            let output = companions.filling[0].output, output.matrix.base == inputs[0].base
        else { return nil }
        let passing = PassingOutput(like: output.matrix, fill: output.fill)
        return rows * passing.stride * MemoryLayout<Float>.stride <= bytes ? passing : nil
    }

    /// Tiles, or where those are too few for the threads to end together, parts of them.
    private func packedRowsOfTask(_ rows: Int) -> Int {
        let (tile, unit) = (Int(kernels.products.tile_rows), Int(kernels.products.tile_unit))
        let wanted = min(64, 8 * pool.threadCount)
        var count = tile
        while count > unit, (rows + count - 1) / count < wanted { count -= unit }
        return count
    }
}

/// Rows that are not kept.
private struct PassingOutput: Sendable {
    let fill: @Sendable (Range<Int>, FloatMatrix) -> Void
    /// No power of two, so that the rows fit the ways of the caches.
    let stride: Int
    private let rowCount, columns: Int

    init(like matrix: FloatMatrix, fill: @escaping @Sendable (Range<Int>, FloatMatrix) -> Void) {
        self.fill = fill
        stride = (matrix.columns + 15) & ~15 | 16
        rowCount = matrix.rows
        columns = matrix.columns
    }

    /// The matrix of which these rows stand at `floats`, and no others anywhere.
    func rows(_ range: Range<Int>, at floats: UnsafeMutablePointer<Float>) -> FloatMatrix {
        FloatMatrix(base: floats - range.lowerBound * stride, rows: rowCount, columns: columns, stride: stride)
    }
}

/// Packs a range of rows that begins at a multiple of the tile's unit, all reduction blocks of them.
private func pack(
    _ x: FloatMatrix, rows: Range<Int>, _ plan: ProductPlan, _ reduction: ProductPlan.Reduction, bfloat16: Bool,
    into packed: UnsafeMutableRawPointer, chunkBytes: Int, _ kernels: qk_product_kernels
) {
    let (tile, unit) = (Int(kernels.tile_rows), Int(kernels.tile_unit))
    var row = rows.lowerBound
    while row < rows.upperBound {
        let (chunk, place) = row.quotientAndRemainder(dividingBy: plan.chunkRows)
        let firstRow = row - place
        let count = min(rows.upperBound - row, tile - place % tile)
        var task = qk_pack_task(
            x: x.row(firstRow), x_stride: Int64(x.stride), rows: Int64(min(plan.chunkRows, x.rows - firstRow)),
            columns: Int64(x.columns), reduction_block: Int64(reduction.block), packed: packed + chunk * chunkBytes,
            first_column: 0, first_row: Int64(place), row_count: Int64((count + unit - 1) / unit * unit),
            bfloat16: bfloat16 ? 1 : 0)
        for block in 0..<reduction.blockCount {
            task.first_column = Int64(block * reduction.block)
            kernels.pack(&task)
        }
        row += count
    }
}
