internal import CIntrinsics

// Full-precision products with a factor of few columns (adapters): no operand is packed, every row of X is read in place.

// Rows of X that share a reading of the factor: tasks of a tile's rows, or of part of them, are done in one or two turns.
// More rows than eight, their distance a power of two, do not fit the ways of the first-level cache; with 16 registers of 8
// lanes there is room for the sums of six.
#if ISA_AVX512 || ISA_AVX512BF16
private typealias ThinSums = InlineArray<6, SIMD16<Float>>
private typealias EightThinSums = InlineArray<8, SIMD16<Float>>
#elseif ISA_AVX2 || arch(arm64)
private typealias ThinSums = InlineArray<6, SIMD16<Float>>
#else
private typealias ThinSums = InlineArray<3, SIMD16<Float>>
#endif

/// Zeros; written out, here and below, because the initialiser of a repeated value would be shared with other modules'
/// code.
@inline(__always)
private func zeroThinSums() -> ThinSums {
    let z = qk_splat(0)
    #if ISA_AVX512 || ISA_AVX512BF16 || ISA_AVX2 || arch(arm64)
    return [z, z, z, z, z, z]
    #else
    return [z, z, z]
    #endif
}

#if ISA_AVX512 || ISA_AVX512BF16
@inline(__always)
private func zeroEightThinSums() -> EightThinSums {
    let z = qk_splat(0)
    return [z, z, z, z, z, z, z, z]
}
#endif

/// See `qk_thin_task`. An element's sum is one chain over the reduction, whatever the other rows and columns are.
func multiplyThin(_ task: UnsafePointer<qk_thin_task>) {
    let rows = Int(task.pointee.rows)
    var row = 0
    while row < rows {
        #if ISA_AVX512 || ISA_AVX512BF16
        // Twelve as six and six, eight as eight.
        let left = rows &- row
        if left == 7 || left == 8 || left > 12 {
            multiplyThinRows(task, row: row, zeroEightThinSums())
            row &+= 8
            continue
        }
        #endif
        let zero = zeroThinSums()
        multiplyThinRows(task, row: row, zero)
        row &+= zero.count
    }
}

/// `Rows` rows of X with all columns of the factor.
@inline(__always)
private func multiplyThinRows<let Rows: Int>(
    _ task: UnsafePointer<qk_thin_task>, row: Int, _ zero: InlineArray<Rows, SIMD16<Float>>
) {
    let width = Int(task.pointee.width)
    var column = 0
    while column < width {
        #if ISA_AVX512 || ISA_AVX512BF16
        // Three, two or one vector: up to 24 sums of 32 registers.
        if width &- column > 32 {
            multiplyThinColumns(task, row: row, column: column, [zero, zero, zero])
            column &+= 48
            continue
        }
        if width &- column > 16 {
            multiplyThinColumns(task, row: row, column: column, [zero, zero])
            column &+= 32
            continue
        }
        #endif
        multiplyThinColumns(task, row: row, column: column, [zero])
        column &+= 16
    }
}

/// `Rows` rows of X with `Vectors` times 16 columns of the factor.
@inline(__always)
private func multiplyThinColumns<let Rows: Int, let Vectors: Int>(
    _ task: UnsafePointer<qk_thin_task>, row: Int, column: Int,
    _ zero: InlineArray<Vectors, InlineArray<Rows, SIMD16<Float>>>
) {
    let task = task.pointee
    let stride = Int(task.x_stride)
    var sums = zero
    var x = task.x.unsafelyUnwrapped + row &* stride
    var factor = task.factor.unsafelyUnwrapped + column
    // Rows behind the last repeat it; their sums are not stored.
    let last = Int(task.rows) &- row &- 1
    for _ in 0..<Int(task.length) {
        for place in 0..<Rows {
            let broadcast = SIMD16<Float>(repeating: x[min(place, last) &* stride])
            for vector in 0..<Vectors {
                sums[vector][place] = qk_multiply_add(
                    qk_load(factor + vector &* 16), broadcast, sums[vector][place])
            }
        }
        x += 1
        factor += Int(task.factor_stride)
    }
    for place in 0..<min(Rows, last &+ 1) {
        let out = task.out.unsafelyUnwrapped + ((row &+ place) &* Int(task.out_stride) &+ column)
        for vector in 0..<Vectors {
            let count = min(16, Int(task.width) &- column &- vector &* 16)
            if count > 0 {
                qk_store_first(out + vector &* 16, sums[vector][place] * qk_splat(task.scale), Int64(count))
            }
        }
    }
}

// Columns of left that meet a vector of right at once.
#if ISA_AVX512 || ISA_AVX512BF16
private typealias OuterSums = InlineArray<16, SIMD16<Float>>
@inline(__always) private var outerRows: Int { 16 }
#elseif ISA_AVX2 || arch(arm64)
private typealias OuterSums = InlineArray<6, SIMD16<Float>>
@inline(__always) private var outerRows: Int { 6 }
#else
private typealias OuterSums = InlineArray<2, SIMD16<Float>>
@inline(__always) private var outerRows: Int { 2 }
#endif

/// Rows, some 17 cycles each, that are fetched ahead from the second level, and from behind it.
@inline(__always) private var nearRows: Int { 6 }
@inline(__always) private var farRows: Int { 40 }

@inline(__always)
private func zeroOuterSums() -> OuterSums {
    let z = qk_splat(0)
    #if ISA_AVX512 || ISA_AVX512BF16
    return [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z]
    #elseif ISA_AVX2 || arch(arm64)
    return [z, z, z, z, z, z]
    #else
    return [z, z]
    #endif
}

/// See `qk_outer_task`. Rows are taken 64 at a time, so that their part of both operands stays in the first cache levels;
/// an element's sum runs over them in order, starting from what was there.
func addOuterProduct(_ task: UnsafePointer<qk_outer_task>) {
    let rows = Int(task.pointee.rows)
    let leftCount = Int(task.pointee.left_count)
    let rightCount = Int(task.pointee.right_count)
    var row = 0
    while row < rows {
        let count = min(64, rows &- row)
        var left = 0
        while left < leftCount {
            var right = 0
            while right < rightCount {
                addOuterTile(task, row: row, rows: count, left: left, right: right)
                right &+= 16
            }
            left &+= outerRows
        }
        row &+= 64
    }
}

/// One tile: `rows` rows from `row` on, columns of left from `left` on, of right from `right` on.
@inline(__always)
private func addOuterTile(_ task: UnsafePointer<qk_outer_task>, row: Int, rows: Int, left: Int, right: Int) {
    let height = min(outerRows, Int(task.pointee.left_count) &- left)
    let width = min(16, Int(task.pointee.right_count) &- right)
    let leftStride = Int(task.pointee.left_stride)
    let rightStride = Int(task.pointee.right_stride)
    let outStride = Int(task.pointee.out_stride)
    let out = task.pointee.out.unsafelyUnwrapped + (left &* outStride &+ right)
    let a = task.pointee.left.unsafelyUnwrapped + (row &* leftStride &+ left)
    let b = task.pointee.right.unsafelyUnwrapped + (row &* rightStride &+ right)
    if height == outerRows && width == 16 {
        addFullOuterTile(a, leftStride, b, rightStride, rows: rows, out, outStride)
    } else {
        addPartOfOuterTile(a, leftStride, b, rightStride, rows: rows, out, outStride, height: height, width: width)
    }
}

@inline(never)
private func addFullOuterTile(
    _ left: UnsafePointer<Float>, _ leftStride: Int, _ right: UnsafePointer<Float>, _ rightStride: Int, rows: Int,
    _ out: UnsafeMutablePointer<Float>, _ outStride: Int
) {
    var sums = zeroOuterSums()
    for place in 0..<outerRows { sums[place] = qk_load(out + place &* outStride) }
    var (left, right) = (left, right)
    for _ in 0..<rows {
        // Rows lie too far apart to be foreseen.
        qk_prefetch(left + nearRows &* leftStride)
        qk_prefetch(right + nearRows &* rightStride)
        qk_prefetch_second_level(left + farRows &* leftStride)
        qk_prefetch_second_level(right + farRows &* rightStride)
        let vector = qk_load(right)
        for place in 0..<outerRows {
            sums[place] = qk_multiply_add(vector, SIMD16(repeating: left[place]), sums[place])
        }
        left += leftStride
        right += rightStride
    }
    for place in 0..<outerRows { qk_store(out + place &* outStride, sums[place]) }
}

/// The same with fewer rows or columns of the result. Rows behind the last repeat it and are not stored.
@inline(never)
private func addPartOfOuterTile(
    _ left: UnsafePointer<Float>, _ leftStride: Int, _ right: UnsafePointer<Float>, _ rightStride: Int, rows: Int,
    _ out: UnsafeMutablePointer<Float>, _ outStride: Int, height: Int, width: Int
) {
    var sums = zeroOuterSums()
    for place in 0..<outerRows {
        sums[place] = qk_load_first(out + min(place, height &- 1) &* outStride, Int64(width))
    }
    var (left, right) = (left, right)
    for _ in 0..<rows {
        let vector = qk_load_first(right, Int64(width))
        for place in 0..<outerRows {
            sums[place] = qk_multiply_add(vector, SIMD16(repeating: left[min(place, height &- 1)]), sums[place])
        }
        left += leftStride
        right += rightStride
    }
    for place in 0..<outerRows {
        if place < height { qk_store_first(out + place &* outStride, sums[place], Int64(width)) }
    }
}

/// to[column][row] = from[row][column]. Where the result is padded, every 16 lanes behind the rows are zero up to the
/// stride; otherwise 16 lanes are written for each 16 rows or fewer.
@inline(never)
func transposeMatrix(
    _ from: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, into to: UnsafeMutablePointer<Float>,
    toStride: Int, isPadded: Bool = true
) {
    let end = isPadded ? toStride : (rows &+ 15) & ~15
    var column = 0
    while column < columns {
        let width = min(16, columns &- column)
        var row = 0
        while row < end {
            let height = max(0, min(16, rows &- row))
            let z = qk_splat(0)
            var square: InlineArray<16, SIMD16<Float>> = [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z]
            for place in 0..<16 where place < height {
                square[place] = qk_load_first(from + ((row &+ place) &* stride &+ column), Int64(width))
            }
            transpose(&square)
            for place in 0..<16 where place < width {
                qk_store(to + ((column &+ place) &* toStride &+ row), square[place])
            }
            row &+= 16
        }
        column &+= 16
    }
}
