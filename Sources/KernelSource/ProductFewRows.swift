internal import CIntrinsics

/// Bytes of a prepared row: room for float32, padded to 128 columns.
@inline(__always)
func preparedRowBytes(columns: Int) -> Int { ((columns &+ 127) & ~127) &* 4 }

/// The order in which the few-row product of a weight reads X.
enum PreparedOrder {
    /// As the columns lie.
    @inline(__always) static var columns: Int32 { 0 }
    /// Even and odd columns of each 32 apart.
    @inline(__always) static var evenAndOdd: Int32 { 1 }
    /// That of `WordProduct`.
    @inline(__always) static var words: Int32 { 2 }
    /// That of `ByteProduct`.
    @inline(__always) static var bytes: Int32 { 3 }
}

func preparedOrder(_ weight: UnsafePointer<qk_weight>) -> Int32 {
    let isTable = weight.pointee.storage == Int32(QK_STORAGE_TABLE4)
    if multipliesCodes(weight) { return isTable ? PreparedOrder.words : PreparedOrder.bytes }
    return isTable && Table4Format.separatesEvenAndOdd ? PreparedOrder.evenAndOdd : PreparedOrder.columns
}

/// X in the order in which the general few-row product meets the weight: columns in chunks of 32, each as (first half, second
/// half) or (even, odd), in float32 or bfloat16; padded with zeros.
@inline(__always)
func prepareFewRows(
    _ weight: UnsafePointer<qk_weight>, _ x: UnsafePointer<Float>, xStride: Int, rows: Int, bfloat16: Bool,
    into prepared: UnsafeMutableRawPointer
) {
    let columns = Int(weight.pointee.columns)
    let rowBytes = preparedRowBytes(columns: columns)
    let order = preparedOrder(weight)
    if order == PreparedOrder.words {
        prepareWordRows(columns: columns, x, xStride: xStride, rows: rows, bfloat16: bfloat16, into: prepared)
        return
    }
    if order == PreparedOrder.bytes {
        prepareByteRows(columns: columns, x, xStride: xStride, rows: rows, bfloat16: bfloat16, into: prepared)
        return
    }
    let separates = order == PreparedOrder.evenAndOdd
    for row in 0..<rows {
        let source = x + row &* xStride
        let target = (prepared + row &* rowBytes).assumingMemoryBound(to: Float.self)
        var column = 0
        var unit = 0
        while column < columns {
            let left = columns &- column
            var first = left >= 16 ? qk_load(source + column) : qk_load_first(source + column, Int64(left))
            var second = SIMD16<Float>(repeating: 0)
            if left >= 32 {
                second = qk_load(source + column + 16)
            } else if left > 16 {
                second = qk_load_first(source + column + 16, Int64(left &- 16))
            }
            if separates { (first, second) = (qk_even_lanes(first, second), qk_odd_lanes(first, second)) }
            #if ISA_AVX512BF16
            if bfloat16 {
                qk_store(target + unit, qk_narrow_bfloat16(first, second))
                unit &+= 16
                column &+= 32
                continue
            }
            #endif
            qk_store(target + unit, first)
            qk_store(target + unit + 16, second)
            unit &+= 32
            column &+= 32
        }
    }
}

/// Few rows of X times W transposed: W is read once, row by row, every row of W meeting all rows of X.
///
/// The order of a sum: 16 lanes (32 in float32, two halves of a chunk added at the end) accumulate the chunks of 32
/// columns in order, then the lanes are added as `qk_sum` does. It does not depend on the number of rows.
enum FewRowsProduct<Arithmetic: ProductArithmetic>: FormatOperation {
    typealias Argument = qk_few_rows_task

    static func run<Format: PanelFormat>(_ format: Format.Type, _ task: UnsafePointer<qk_few_rows_task>) {
        guard let weight = task.pointee.weight, let prepared = task.pointee.prepared, let y = task.pointee.y else {
            return
        }
        let columns = Int(weight.pointee.columns)
        let rowBytes = preparedRowBytes(columns: columns)
        let rows = Int(task.pointee.rows)
        let yStride = Int(task.pointee.y_stride)
        let first = Int(task.pointee.first_output)
        for output in first..<first &+ Int(task.pointee.output_count) {
            var row = 0
            while row < rows {
                let x = (prepared + row &* rowBytes).assumingMemoryBound(to: Float.self)
                let target = y + (row &* yStride &+ output)
                let bias = task.pointee.bias.map { $0[output] }
                let adding = task.pointee.adding != 0
                if rows &- row >= 4 {
                    multiply(
                        format, weight, output: output, x: x, xStride: rowBytes >> 2,
                        zero: InlineArray<4, SIMD16<Float>>(repeating: SIMD16(repeating: 0)), y: target,
                        yStride: yStride, bias: bias, adding: adding)
                    row &+= 4
                } else {
                    multiply(
                        format, weight, output: output, x: x, xStride: rowBytes >> 2,
                        zero: InlineArray<1, SIMD16<Float>>(repeating: SIMD16(repeating: 0)), y: target,
                        yStride: yStride, bias: bias, adding: adding)
                    row &+= 1
                }
            }
        }
    }

    /// `Rows` rows of X times one row of W.
    @inline(__always)
    static func multiply<Format: PanelFormat, let Rows: Int>(
        _ format: Format.Type, _ weight: UnsafePointer<qk_weight>, output: Int, x: UnsafePointer<Float>, xStride: Int,
        zero: InlineArray<Rows, SIMD16<Float>>, y: UnsafeMutablePointer<Float>, yStride: Int, bias: Float?,
        adding: Bool
    ) {
        let columns = Int(weight.pointee.columns)
        var sums = zero
        var others = zero
        var column = 0
        var x = x
        let lines = weight.pointee.elements.unsafelyUnwrapped + ((output &* columns &* Format.sixteenthBits) &>> 7)
        while column < columns {
            fetchStream(lines + ((column &* Format.sixteenthBits) &>> 7))
            #if ISA_AVX512BF16
            if Arithmetic.unitLength == 2 {
                let narrow = Format.narrowColumns(weight, row: output, column: column)
                column &+= 32
                for row in 0..<Rows {
                    sums[row] = Arithmetic.multiplyAdd(sums[row], narrow, qk_load(x + row &* xStride))
                }
                x += 16
                continue
            }
            #endif
            let (first, second) = Format.columns(weight, row: output, column: column)
            column &+= 32
            for row in 0..<Rows {
                sums[row] = Arithmetic.multiplyAdd(sums[row], first, qk_load(x + row &* xStride))
                others[row] = Arithmetic.multiplyAdd(others[row], second, qk_load(x + (row &* xStride &+ 16)))
            }
            x += 32
        }
        for row in 0..<Rows { sums[row] = sums[row] + others[row] }
        storeLaneSums(sums, y, yStride: yStride, bias: bias, adding: adding)
    }
}

/// Fetches ahead of a stream of stored weights, for the cache line at an address: far ahead from memory to the second
/// level, near by from there. Weights are used up at a third of the speed of a plain read, too slowly for the hardware's
/// own prefetchers to run far enough ahead.
@inline(__always)
func fetchStream(_ address: UnsafeRawPointer) {
    qk_prefetch_second_level(address + 12_288)
    qk_prefetch(address + 1024)
}

/// The sums of the lanes, where they belong: y (= or +=) sum + bias.
@inline(__always)
func storeLaneSums<let Rows: Int>(
    _ sums: InlineArray<Rows, SIMD16<Float>>, _ y: UnsafeMutablePointer<Float>, yStride: Int, bias: Float?,
    adding: Bool
) {
    for row in 0..<Rows {
        var sum = qk_sum(sums[row])
        if let bias { sum = sum + bias }
        let target = y + row &* yStride
        target.pointee = adding ? target.pointee + sum : sum
    }
}
