internal import CIntrinsics

#if ISA_AVX512 || ISA_AVX512BF16
typealias TileRow = InlineArray<2, SIMD16<Float>>
#else
typealias TileRow = InlineArray<1, SIMD16<Float>>
#endif

/// Where the sums of a tile go.
///
/// A sum over several reduction blocks is block 0 + block 1 + …, each block summed from zero in the order of the
/// reduction; then the bias is added; then, where asked, the result is added to y.
enum TileOutput {
    /// Block 0 of several: sums = block.
    @inline(__always) static var startSums: Int { 0 }
    /// sums += block
    @inline(__always) static var addToSums: Int { 1 }
    /// The last block of several: y = sums + block …
    @inline(__always) static var finishSums: Int { 2 }
    /// The only block: y = block …
    @inline(__always) static var finish: Int { 3 }
}

/// Multiplies a tile of packed rows with a panel and hands over the sums.
///
/// - Parameters:
///   - steps: units of the reduction.
///   - x: [steps][Height] units.
///   - panel: [steps][ProductShape.columns] units, aligned to 64.
///   - sums: [Height][ProductShape.columns] of the tile, contiguous.
///   - y: first output of the first row; only the first `rows` rows are stored.
@inline(__always)
func tile<Arithmetic: ProductArithmetic, let Height: Int>(
    _ arithmetic: Arithmetic.Type, _ zero: InlineArray<Height, TileRow>, steps: Int, x: UnsafePointer<Float>,
    panel: UnsafePointer<SIMD16<Float>>, output: Int, sums: UnsafeMutablePointer<Float>, rows: Int,
    y: UnsafeMutablePointer<Float>, yStride: Int, bias: UnsafePointer<Float>?, adding: Bool
) {
    var accumulators = zero
    var x = x
    var panel = panel
    let ahead = Height &* steps
    for _ in 0..<steps {
        qk_prefetch_second_level(x + ahead)
        #if ISA_AVX512 || ISA_AVX512BF16
        let first = panel[0]
        let second = panel[1]
        for row in 0..<Height {
            let broadcast = SIMD16<Float>(repeating: x[row])
            accumulators[row][0] = Arithmetic.multiplyAdd(accumulators[row][0], first, broadcast)
            accumulators[row][1] = Arithmetic.multiplyAdd(accumulators[row][1], second, broadcast)
        }
        #else
        let first = panel[0]
        for row in 0..<Height {
            let broadcast = SIMD16<Float>(repeating: x[row])
            accumulators[row][0] = Arithmetic.multiplyAdd(accumulators[row][0], first, broadcast)
        }
        #endif
        x += Height
        panel += ProductShape.vectors
    }
    for row in 0..<Height {
        for vector in 0..<ProductShape.vectors {
            let place = sums + (row &* ProductShape.columns &+ vector &* 16)
            var sum = accumulators[row][vector]
            if output == TileOutput.addToSums || output == TileOutput.finishSums { sum = qk_load(place) + sum }
            if output == TileOutput.startSums || output == TileOutput.addToSums {
                qk_store(place, sum)
            } else if row < rows {
                if let bias { sum = sum + qk_load(bias + vector &* 16) }
                let target = y + (row &* yStride &+ vector &* 16)
                if adding { sum = qk_load(target) + sum }
                qk_store(target, sum)
            }
        }
    }
}

/// The tile of any height that packing produces.
@inline(__always)
func anyTile<Arithmetic: ProductArithmetic>(
    _ arithmetic: Arithmetic.Type, height: Int, steps: Int, x: UnsafePointer<Float>,
    panel: UnsafePointer<SIMD16<Float>>, output: Int, sums: UnsafeMutablePointer<Float>, rows: Int,
    y: UnsafeMutablePointer<Float>, yStride: Int, bias: UnsafePointer<Float>?, adding: Bool
) {
    let zero = TileRow(repeating: SIMD16(repeating: 0))
    #if ISA_AVX512 || ISA_AVX512BF16
    switch height {
    case 12:
        tile(
            arithmetic, InlineArray<12, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    case 8:
        tile(
            arithmetic, InlineArray<8, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    default:
        tile(
            arithmetic, InlineArray<4, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    }
    #elseif ISA_AVX2 || arch(arm64)
    switch height {
    case 6:
        tile(
            arithmetic, InlineArray<6, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    case 4:
        tile(
            arithmetic, InlineArray<4, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    default:
        tile(
            arithmetic, InlineArray<2, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    }
    #else
    switch height {
    case 3:
        tile(
            arithmetic, InlineArray<3, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    case 2:
        tile(
            arithmetic, InlineArray<2, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    default:
        tile(
            arithmetic, InlineArray<1, TileRow>(repeating: zero), steps: steps, x: x, panel: panel, output: output,
            sums: sums, rows: rows, y: y, yStride: yStride, bias: bias, adding: adding)
    }
    #endif
}
