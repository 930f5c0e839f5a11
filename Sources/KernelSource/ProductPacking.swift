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
    var column = 0
    #if ISA_AVX2 || arch(arm64)
    if rows >= count && count & 1 == 0 {
        while column &+ 4 <= columns {
            packFour(x + column, stride: stride, count: count, into: target + column &* height, height: height)
            column &+= 4
        }
    }
    #endif
    while column < length {
        for row in 0..<count {
            target[column &* height &+ row] = row < rows && column < columns ? x[row &* stride &+ column] : 0
        }
        column &+= 1
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

#if ISA_AVX2 || arch(arm64)
/// Four columns of two, four or six rows of a tile.
@inline(__always)
private func packFour(
    _ x: UnsafePointer<Float>, stride: Int, count: Int, into target: UnsafeMutablePointer<Float>, height: Int
) {
    @inline(__always)
    func load(_ row: Int) -> SIMD4<Float> {
        UnsafeRawPointer(x + row &* stride).loadUnaligned(as: SIMD4<Float>.self)
    }
    let target = UnsafeMutableRawPointer(target)
    var row = 0
    if count >= 4 {
        let (a, b, c, d) = (load(0), load(1), load(2), load(3))
        let (abLow, abHigh) = (SIMD4(a[0], b[0], a[1], b[1]), SIMD4(a[2], b[2], a[3], b[3]))
        let (cdLow, cdHigh) = (SIMD4(c[0], d[0], c[1], d[1]), SIMD4(c[2], d[2], c[3], d[3]))
        target.storeBytes(of: SIMD4(lowHalf: abLow.lowHalf, highHalf: cdLow.lowHalf), as: SIMD4<Float>.self)
        target.storeBytes(
            of: SIMD4(lowHalf: abLow.highHalf, highHalf: cdLow.highHalf), toByteOffset: 4 &* height,
            as: SIMD4<Float>.self)
        target.storeBytes(
            of: SIMD4(lowHalf: abHigh.lowHalf, highHalf: cdHigh.lowHalf), toByteOffset: 8 &* height,
            as: SIMD4<Float>.self)
        target.storeBytes(
            of: SIMD4(lowHalf: abHigh.highHalf, highHalf: cdHigh.highHalf), toByteOffset: 12 &* height,
            as: SIMD4<Float>.self)
        row = 4
    }
    if row < count {
        let (a, b) = (load(row), load(row &+ 1))
        let (low, high) = (SIMD4(a[0], b[0], a[1], b[1]), SIMD4(a[2], b[2], a[3], b[3]))
        target.storeBytes(of: low.lowHalf, toByteOffset: 4 &* row, as: SIMD2<Float>.self)
        target.storeBytes(of: low.highHalf, toByteOffset: 4 &* (height &+ row), as: SIMD2<Float>.self)
        target.storeBytes(of: high.lowHalf, toByteOffset: 4 &* (2 &* height &+ row), as: SIMD2<Float>.self)
        target.storeBytes(of: high.highHalf, toByteOffset: 4 &* (3 &* height &+ row), as: SIMD2<Float>.self)
    }
}
#endif
