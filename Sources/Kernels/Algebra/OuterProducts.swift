package import Tensors

extension ComputeContext {
    /// C += scale * leftᵀ · right, on all threads: the gradient of a small matrix, summed over rows.
    ///
    /// - Parameters:
    ///   - left: [M, p].
    ///   - right: [M, q].
    ///   - output: C [p, q]; overlaps neither input.
    ///   - scale: a factor of the product.
    ///
    /// C is cut into tiles of fixed size, each reduced over all M rows by one thread: bits depend on the shapes and on
    /// which rows one call holds, never on the number of threads.
    package func accumulateOuter(_ left: FloatMatrix, _ right: FloatMatrix, into output: FloatMatrix, scale: Float = 1)
    {
        guard left.rows == right.rows, output.rows == left.columns, output.columns == right.columns else {
            fatalError(
                "an outer product of [\(left.rows), \(left.columns)] and [\(right.rows), \(right.columns)] does not give "
                    + "[\(output.rows), \(output.columns)]")
        }
        let tile = Self.outerTileSize
        let columnTiles = (output.columns + tile - 1) / tile
        let rowTiles = (output.rows + tile - 1) / tile
        pool.run(rowTiles * columnTiles) { index in
            let firstRow = index / columnTiles * tile, firstColumn = index % columnTiles * tile
            let rows = firstRow..<min(firstRow + tile, output.rows)
            let columns = firstColumn..<min(firstColumn + tile, output.columns)
            Algebra.multiply(
                left.columns(rows), transposed: true, by: right.columns(columns), scale: scale,
                into: output.rows(rows).columns(columns), accumulates: true)
        }
    }

    /// Rows and columns of a tile: adapters of any usual rank are one tile high, and a width of 2048 still feeds eight
    /// threads; smaller tiles would pack the other factor too often.
    private static var outerTileSize: Int { 256 }
}
