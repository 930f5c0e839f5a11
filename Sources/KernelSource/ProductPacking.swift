internal import CIntrinsics

/// Packs one block of rows of one tile as `qk_pack_task` describes.
@inline(__always)
func packRows(_ task: UnsafePointer<qk_pack_task>) {
    #if ISA_AVX512BF16
    if task.pointee.bfloat16 != 0 {
        packRows(BFloat16Arithmetic.self, task)
        return
    }
    #endif
    packRows(Float32Arithmetic.self, task)
}

@inline(never)
private func packRows<Arithmetic: ProductArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_pack_task>
) {
    guard let x = task.pointee.x, let packed = task.pointee.packed?.assumingMemoryBound(to: Float.self) else { return }
    let stride = Int(task.pointee.x_stride)
    let rows = Int(task.pointee.rows)
    let columns = Int(task.pointee.columns)
    let block = Int(task.pointee.reduction_block)
    let paddedRows = ProductShape.paddedRows(rows)
    let start = Int(task.pointee.first_column)
    let place = Int(task.pointee.first_row) % ProductShape.rows
    let row = Int(task.pointee.first_row) &- place
    let height = min(ProductShape.rows, paddedRows &- row)
    let length = min(block, (columns &- start &+ 31) & ~31)
    // Blocks before this one are full: they hold `start` columns of all rows; then come the tiles before.
    packTile(
        arithmetic, x + ((row &+ place) &* stride &+ start), stride: stride, rows: min(height, rows &- row) &- place,
        count: min(Int(task.pointee.row_count), height &- place), columns: min(length, columns &- start),
        length: length,
        into: packed + ((paddedRows &* start &+ row &* length) / Arithmetic.unitLength &+ place), height: height)
}

/// `count` rows of a tile of one reduction block, [length / unitLength][height] units; those from `rows` on are zero.
@inline(__always)
private func packTile<Arithmetic: ProductArithmetic>(
    _ arithmetic: Arithmetic.Type, _ x: UnsafePointer<Float>, stride: Int, rows: Int, count: Int, columns: Int,
    length: Int, into target: UnsafeMutablePointer<Float>, height: Int
) {
    #if ISA_AVX512 || ISA_AVX512BF16
    var target = target
    var column = 0
    let present = min(rows, count)
    let width = 16 &* Arithmetic.unitLength
    if present == 12 {
        while column &+ width <= columns {
            packTwelveRows(target) { row in
                loadUnit(arithmetic, x + (row &* stride &+ column), columns: width)
            }
            target += 16 &* 12
            column &+= width
        }
    }
    while column < length {
        var units = InlineArray<16, SIMD16<Float>>(repeating: SIMD16(repeating: 0))
        for row in 0..<12 where row < present {
            let source = x + (row &* stride &+ column)
            units[row] = loadUnit(arithmetic, source, columns: columns &- column)
        }
        transpose(&units)
        for step in 0..<16 {
            qk_store_first(target, units[step], Int64(count))
            target += height
        }
        column &+= width
    }
    #else
    for row in 0..<count {
        for column in 0..<length {
            target[column &* height &+ row] = row < rows && column < columns ? x[row &* stride &+ column] : 0
        }
    }
    #endif
}

#if ISA_AVX512 || ISA_AVX512BF16
/// 16 units of a row, those behind its `columns` remaining columns zero.
@inline(__always)
private func loadUnit<Arithmetic: ProductArithmetic>(
    _ arithmetic: Arithmetic.Type, _ source: UnsafePointer<Float>, columns: Int
) -> SIMD16<Float> {
    #if ISA_AVX512BF16
    if Arithmetic.unitLength == 2 {
        if columns >= 32 { return qk_narrow_bfloat16(qk_load(source), qk_load(source + 16)) }
        let low = qk_load_first(source, Int64(max(min(columns, 16), 0)))
        let high = columns > 16 ? qk_load_first(source + 16, Int64(columns &- 16)) : SIMD16(repeating: 0)
        return qk_narrow_bfloat16(low, high)
    }
    #endif
    return columns >= 16 ? qk_load(source) : qk_load_first(source, Int64(max(columns, 0)))
}
#endif
