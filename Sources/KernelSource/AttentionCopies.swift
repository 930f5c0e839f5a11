internal import CIntrinsics

/// Copies rows of a head, multiplied by `factor`, into a block of units of columns: column c of row r in the unit
/// ((c / 64) * 64 * blockRows + r * 64 + c % 64) / unit, so that a tile finds rows a constant distance apart whatever the
/// head's width is.
@inline(never)
func copyToBlock<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ from: UnsafePointer<Float>, stride: Int, rows: Int, width: Int, factor: Float,
    _ block: UnsafeMutablePointer<Float>, blockRows: Int
) {
    let factor = qv_splat(factor)
    let step = 16 &* Arithmetic.unitLength
    var column = 0
    while column < width {
        let columns = min(columnBlock, width &- column)
        for row in 0..<rows {
            let source = from + (row &* stride &+ column)
            let target = block + (column &* blockRows &+ row &* columnBlock) / Arithmetic.unitLength
            var at = 0
            while at < columns {
                let units = Arithmetic.units(source + at, min(step, columns &- at), factor)
                qv_store(target + at / Arithmetic.unitLength, units)
                at &+= step
            }
        }
        column &+= columnBlock
    }
}

/// Copies rows of a head, multiplied by `factor`, into a block of units of rows: column c of row r in the unit
/// (c / 64) * 64 * blockRows / unit + r / unit * 64 + c % 64; where a unit has one element, as `copyToBlock` does.
@inline(never)
func copyRowsTogether<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ from: UnsafePointer<Float>, stride: Int, rows: Int, width: Int, factor: Float,
    _ block: UnsafeMutablePointer<Float>, blockRows: Int
) {
    let factor = qv_splat(factor)
    var column = 0
    while column < width {
        let columns = min(columnBlock, width &- column)
        var row = 0
        while row < rows {
            let source = from + (row &* stride &+ column)
            let target = block + (column &* blockRows &+ row &* columnBlock) / Arithmetic.unitLength
            let hasSecond = Arithmetic.unitLength > 1 && row &+ 1 < rows
            forEachVector(Int64(columns)) { at, valid in
                let second = hasSecond ? factor * lanes(source + (stride &+ at), valid) : qv_splat(0)
                qv_store(target + at, Arithmetic.units(of: factor * lanes(source + at, valid), second))
            }
            row &+= Arithmetic.unitLength
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

/// Transposes rows of a head, multiplied by `factor`, into block [width / unit, QK_ATTENTION_QUERIES] of units of columns;
/// absent rows become zero.
@inline(never)
func transposeToBlock<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ from: UnsafePointer<Float>, stride: Int, rows: Int, width: Int, factor: Float,
    _ block: UnsafeMutablePointer<Float>
) {
    let factor = qv_splat(factor)
    let step = 16 &* Arithmetic.unitLength
    var first = 0
    while first < queryBlock {
        let present = max(0, min(16, rows &- first))
        var column = 0
        while column < width {
            transposeSquare(
                arithmetic, from + (first &* stride &+ column), stride: stride, rows: present,
                columns: min(step, width &- column), factor,
                block + (column / Arithmetic.unitLength &* queryBlock &+ first))
            column &+= step
        }
        first &+= 16
    }
}

/// Transposes up to 16 rows of up to 16 units of columns; all 16 lanes of the units are stored.
@inline(__always)
private func transposeSquare<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ from: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, _ factor: Lanes,
    _ to: UnsafeMutablePointer<Float>
) {
    let z = qv_splat(0)
    let step = 16 &* Arithmetic.unitLength
    var square: InlineArray<16, Lanes> = [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z]
    if rows == 16 && columns == step {
        for row in 0..<16 { square[row] = Arithmetic.units(from + row &* stride, step, factor) }
    } else {
        for row in 0..<16 where row < rows { square[row] = Arithmetic.units(from + row &* stride, columns, factor) }
    }
    // Interleaving rows i and i + 8 rotates the bits of (row, column) by one; four rotations swap the two halves.
    for _ in 0..<4 {
        let old = square
        for row in 0..<8 {
            square[2 &* row] = qv_interleave_low(old[row], old[row &+ 8])
            square[2 &* row &+ 1] = qv_interleave_high(old[row], old[row &+ 8])
        }
    }
    let units = (columns &+ Arithmetic.unitLength &- 1) / Arithmetic.unitLength
    for unit in 0..<16 where unit < units { qv_store(to + unit &* queryBlock, square[unit]) }
}
