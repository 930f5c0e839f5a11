internal import CIntrinsics

/// Transposes 16 x 16 units in registers.
@inline(__always)
func transpose(_ rows: inout InlineArray<16, SIMD16<Float>>) {
    // Pairs, then fours within quarters: rows[4g + c] holds column 4q + c of rows 4g ..< 4g + 4 in its quarter q.
    for group in 0..<4 {
        let base = group &* 4
        let a = qk_zip_low(rows[base], rows[base &+ 1])
        let b = qk_zip_high(rows[base], rows[base &+ 1])
        let c = qk_zip_low(rows[base &+ 2], rows[base &+ 3])
        let d = qk_zip_high(rows[base &+ 2], rows[base &+ 3])
        rows[base] = qk_zip_pairs_low(a, c)
        rows[base &+ 1] = qk_zip_pairs_high(a, c)
        rows[base &+ 2] = qk_zip_pairs_low(b, d)
        rows[base &+ 3] = qk_zip_pairs_high(b, d)
    }
    // Quarters: column 4q + c is quarter q of rows[c], rows[4 + c], rows[8 + c], rows[12 + c].
    for column in 0..<4 {
        let evenLow = qk_even_quarters(rows[column], rows[column &+ 4])
        let oddLow = qk_odd_quarters(rows[column], rows[column &+ 4])
        let evenHigh = qk_even_quarters(rows[column &+ 8], rows[column &+ 12])
        let oddHigh = qk_odd_quarters(rows[column &+ 8], rows[column &+ 12])
        rows[column] = qk_even_quarters(evenLow, evenHigh)
        rows[column &+ 8] = qk_odd_quarters(evenLow, evenHigh)
        rows[column &+ 4] = qk_even_quarters(oddLow, oddHigh)
        rows[column &+ 12] = qk_odd_quarters(oddLow, oddHigh)
    }
}

/// Writes 16 x 16 units (rows `stride` floats apart, aligned to 64) as 16 columns, `panelStride` floats apart.
@inline(__always)
func transposeBlock(
    _ source: UnsafePointer<Float>, stride: Int, into panel: UnsafeMutablePointer<Float>, panelStride: Int
) {
    let z = SIMD16<Float>(repeating: 0)
    var rows: InlineArray<16, SIMD16<Float>> = [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z]
    for row in 0..<16 { rows[row] = qk_load(source + row &* stride) }
    transpose(&rows)
    for column in 0..<16 { qk_store(panel + column &* panelStride, rows[column]) }
}

/// Fills panels of a forward product: lanes are rows of W, the reduction runs over its columns.
///
/// - Parameters:
///   - row: the first row; rows from `rowEnd` on are zero.
///   - column: the first column of the reduction block; `length` columns, a multiple of 32.
///   - panel: [length / unitLength][ProductShape.columns] units.
///   - staging: 16 rows of 128 units.
@inline(__always)
func fillForwardPanel<Format: PanelFormat, Arithmetic: ProductArithmetic>(
    _ format: Format.Type, _ arithmetic: Arithmetic.Type, _ weight: UnsafePointer<qk_weight>, row: Int, rowEnd: Int,
    column: Int, length: Int, panel: UnsafeMutablePointer<Float>, staging: UnsafeMutablePointer<Float>
) {
    let stride = 128
    let segment = stride &* Arithmetic.unitLength
    for vector in 0..<ProductShape.vectors {
        let firstRow = row &+ vector &* 16
        if Arithmetic.unitLength == 1 && firstRow &+ 16 <= rowEnd
            && Format.fillColumns(
                weight, row: firstRow, column: column, length: length, into: panel + vector &* 16,
                stride: ProductShape.columns, staging: staging)
        {
            continue
        }
        var start = 0
        while start < length {
            let count = min(segment, length &- start)
            for lane in 0..<16 {
                let target = staging + lane &* stride
                fetchAhead(format, weight, row: firstRow &+ lane &+ 4, column: column &+ start, count: count)
                if firstRow &+ lane < rowEnd {
                    stageRow(
                        format, arithmetic, weight, row: firstRow &+ lane, column: column &+ start, length: count,
                        into: target)
                } else {
                    target.update(repeating: 0, count: count / Arithmetic.unitLength)
                }
            }
            var unit = 0
            while unit < count / Arithmetic.unitLength {
                transposeBlock(
                    staging + unit, stride: stride,
                    into: panel + ((start / Arithmetic.unitLength &+ unit) &* ProductShape.columns &+ vector &* 16),
                    panelStride: ProductShape.columns)
                unit &+= 16
            }
            start &+= count
        }
    }
}

/// Asks for the cache lines of some columns of a row, which need not exist.
@inline(__always)
func fetchAhead<Format: PanelFormat>(
    _ format: Format.Type, _ weight: UnsafePointer<qk_weight>, row: Int, column: Int, count: Int
) {
    let index = row &* Int(weight.pointee.columns) &+ column
    let bytes = weight.pointee.elements.unsafelyUnwrapped + ((index &* Format.sixteenthBits) &>> 7)
    var offset = 0
    while offset < (count &* Format.sixteenthBits) &>> 7 {
        qk_prefetch(bytes + offset)
        offset &+= 64
    }
}

/// Columns of one row as units in the order of the reduction; `length` is a multiple of 32.
@inline(__always)
private func stageRow<Format: PanelFormat, Arithmetic: ProductArithmetic>(
    _ format: Format.Type, _ arithmetic: Arithmetic.Type, _ weight: UnsafePointer<qk_weight>, row: Int, column: Int,
    length: Int, into target: UnsafeMutablePointer<Float>
) {
    var target = target
    var position = column
    let end = column &+ length
    #if ISA_AVX512BF16
    if Arithmetic.unitLength == 2 {
        if position & 32 != 0 && position < end {
            qk_store(target, Format.pairs(weight, row: row, column: position))
            target += 16
            position &+= 32
        }
        while position &+ 64 <= end {
            let (first, second) = Format.twicePairs(weight, row: row, column: position)
            qk_store(target, first)
            qk_store(target + 16, second)
            target += 32
            position &+= 64
        }
        if position < end { qk_store(target, Format.pairs(weight, row: row, column: position)) }
        return
    }
    #endif
    while position < end {
        let (low, high) = Format.orderedColumns(weight, row: row, column: position)
        qk_store(target, low)
        qk_store(target + 16, high)
        target += 32
        position &+= 32
    }
}

/// Fills panels of an input gradient: lanes are columns of W, the reduction runs over its rows.
///
/// - Parameters:
///   - row: the first row of the reduction block; `length` rows, a multiple of 32, zero from the last row on.
///   - column: the first column, a multiple of 32.
///   - panelCount: panels to fill, `panelFloats` apart.
@inline(__always)
func fillGradientPanels<Format: PanelFormat, Arithmetic: ProductArithmetic>(
    _ format: Format.Type, _ arithmetic: Arithmetic.Type, _ weight: UnsafePointer<qk_weight>, row: Int, length: Int,
    column: Int, panelCount: Int, panels: UnsafeMutablePointer<Float>
) {
    let rows = Int(weight.pointee.rows)
    let width = panelCount &* ProductShape.columns
    #if ISA_AVX512BF16
    if Arithmetic.unitLength == 2 {
        var step = 0
        while step < length {
            fillPairs(
                format, weight, row: row &+ step, column: column, width: width, panels: panels + step &* 16)
            step &+= 2
        }
        return
    }
    #endif
    for step in 0..<length {
        let source = row &+ step
        fetchAhead(format, weight, row: source &+ 16, column: column, count: width)
        var position = 0
        while position < width {
            var low = SIMD16<Float>(repeating: 0)
            var high = SIMD16<Float>(repeating: 0)
            if source < rows { (low, high) = Format.orderedColumns(weight, row: source, column: column &+ position) }
            #if ISA_AVX512 || ISA_AVX512BF16
            let panel = panels + ((position >> 5) &* ProductShape.panelFloats &+ step &* 32)
            qk_store(panel, low)
            qk_store(panel + 16, high)
            #else
            let panel = panels + ((position >> 4) &* ProductShape.panelFloats &+ step &* 16)
            qk_store(panel, low)
            if position &+ 16 < width { qk_store(panel + ProductShape.panelFloats, high) }
            #endif
            position &+= 32
        }
    }
}

#if ISA_AVX512BF16
/// One step of all panels of an input gradient in bfloat16: the pairs are elements of two rows.
@inline(__always)
private func fillPairs<Format: PanelFormat>(
    _ format: Format.Type, _ weight: UnsafePointer<qk_weight>, row: Int, column: Int, width: Int,
    panels: UnsafeMutablePointer<Float>
) {
    let rows = Int(weight.pointee.rows)
    let zero = SIMD16<Float>(repeating: 0)
    fetchAhead(format, weight, row: row &+ 16, column: column, count: width)
    fetchAhead(format, weight, row: row &+ 17, column: column, count: width)
    @inline(__always)
    func store(_ first: SIMD16<Float>, _ second: SIMD16<Float>, _ panel: UnsafeMutablePointer<Float>) {
        qk_store(panel, qk_interleave_low_bfloat16(first, second))
        qk_store(panel + 16, qk_interleave_high_bfloat16(first, second))
    }
    @inline(__always)
    func storeSingle(_ position: Int, _ panel: UnsafeMutablePointer<Float>) {
        let first = row < rows ? Format.pairs(weight, row: row, column: position) : zero
        let second = row &+ 1 < rows ? Format.pairs(weight, row: row &+ 1, column: position) : zero
        store(first, second, panel)
    }
    var panel = panels
    var position = column
    let end = column &+ width
    if position & 32 != 0 && position < end {
        storeSingle(position, panel)
        panel += ProductShape.panelFloats
        position &+= 32
    }
    while position &+ 64 <= end {
        let first = row < rows ? Format.twicePairs(weight, row: row, column: position) : (zero, zero)
        let second = row &+ 1 < rows ? Format.twicePairs(weight, row: row &+ 1, column: position) : (zero, zero)
        store(first.0, second.0, panel)
        store(first.1, second.1, panel + ProductShape.panelFloats)
        panel += 2 &* ProductShape.panelFloats
        position &+= 64
    }
    if position < end { storeSingle(position, panel) }
}
#endif
