internal import CIntrinsics

/// Copies rows of a head, multiplied by `factor`, into a block: column c of row r at (c / 64) * 64 * blockRows + r * 64 +
/// c % 64, so that a tile finds rows a constant distance apart whatever the head's width is.
@inline(never)
func copyToBlock(
    _ from: UnsafePointer<Float>, stride: Int, rows: Int, width: Int, factor: Float,
    _ block: UnsafeMutablePointer<Float>, blockRows: Int
) {
    let factor = qv_splat(factor)
    var column = 0
    while column < width {
        let columns = min(columnBlock, width &- column)
        for row in 0..<rows {
            let source = from + (row &* stride &+ column)
            let target = block + (column &* blockRows &+ row &* columnBlock)
            forEachVector(Int64(columns)) { at, valid in qv_store(target + at, factor * lanes(source + at, valid)) }
        }
        column &+= columnBlock
    }
}

/// Copies a block, see `copyToBlock`, back to rows, multiplied by `factor`.
@inline(never)
func copyFromBlock(
    _ block: UnsafePointer<Float>, blockRows: Int, rows: Int, width: Int, factor: Float,
    _ to: UnsafeMutablePointer<Float>, stride: Int
) {
    let factor = qv_splat(factor)
    var column = 0
    while column < width {
        let columns = min(columnBlock, width &- column)
        for row in 0..<rows {
            let source = block + (column &* blockRows &+ row &* columnBlock)
            let target = to + (row &* stride &+ column)
            forEachVector(Int64(columns)) { at, valid in put(factor * qv_load(source + at), target + at, valid) }
        }
        column &+= columnBlock
    }
}

/// Adds a block, see `copyToBlock`, to rows.
@inline(never)
func addFromBlock(
    _ block: UnsafePointer<Float>, blockRows: Int, rows: Int, width: Int, _ to: UnsafeMutablePointer<Float>, stride: Int
) {
    var column = 0
    while column < width {
        let columns = min(columnBlock, width &- column)
        for row in 0..<rows {
            let source = block + (column &* blockRows &+ row &* columnBlock)
            let target = to + (row &* stride &+ column)
            forEachVector(Int64(columns)) { at, valid in
                put(lanes(target + at, valid) + qv_load(source + at), target + at, valid)
            }
        }
        column &+= columnBlock
    }
}

/// Transposes rows of a head into block [width, QK_ATTENTION_QUERIES], multiplied by `factor`; absent rows become zero.
@inline(never)
func transposeToBlock(
    _ from: UnsafePointer<Float>, stride: Int, rows: Int, width: Int, factor: Float,
    _ block: UnsafeMutablePointer<Float>
) {
    let factor = qv_splat(factor)
    var first = 0
    while first < queryBlock {
        let present = max(0, min(16, rows &- first))
        var column = 0
        while column < width {
            let columns = min(16, width &- column)
            transposeSquare(
                from + (first &* stride &+ column), stride: stride, rows: present, columns: columns, factor,
                block + (column &* queryBlock &+ first))
            column &+= 16
        }
        first &+= 16
    }
}

/// Transposes up to 16 rows of up to 16 columns; all 16 lanes of the columns are stored.
@inline(__always)
private func transposeSquare(
    _ from: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, _ factor: Lanes,
    _ to: UnsafeMutablePointer<Float>
) {
    let z = qv_splat(0)
    var square: InlineArray<16, Lanes> = [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z]
    if rows == 16 && columns == 16 {
        for row in 0..<16 { square[row] = factor * qv_load(from + row &* stride) }
    } else {
        for row in 0..<16 where row < rows { square[row] = factor * lanes(from + row &* stride, columns) }
    }
    // Interleaving rows i and i + 8 rotates the bits of (row, column) by one; four rotations swap the two halves.
    for _ in 0..<4 {
        let old = square
        for row in 0..<8 {
            square[2 &* row] = qv_interleave_low(old[row], old[row &+ 8])
            square[2 &* row &+ 1] = qv_interleave_high(old[row], old[row &+ 8])
        }
    }
    for column in 0..<16 where column < columns { qv_store(to + column &* queryBlock, square[column]) }
}
