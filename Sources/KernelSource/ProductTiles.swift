internal import CIntrinsics

#if ISA_AVX512 || ISA_AVX512BF16
typealias TileRow = InlineArray<2, SIMD16<Float>>
#else
typealias TileRow = InlineArray<1, SIMD16<Float>>
#endif

/// Where the sums of a tile go.
///
/// A sum over several reduction blocks is block 0 + block 1 + …, each block summed from zero in the order of the
/// reduction; then the bias is added; then what `addend` holds.
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

/// What a tile multiplies and where it puts the sums; a tuple, because a structure would leave this module.
///
/// - steps: units of the reduction.
/// - x: [steps][height] units.
/// - panel: [steps][ProductShape.columns] units, aligned to 64.
/// - lowRank: steps of the float32 product of `left` (row-major) and `right` [lowRank][ProductShape.columns] that
///   follows the block in the same accumulators; 0 for none.
/// - sums: [height][ProductShape.columns] of the tile, contiguous.
/// - y: first output of the first row, of floats or, where `narrow`, of bfloat16; only the first `rows` rows are stored.
typealias TileTask = (
    steps: Int, x: UnsafePointer<Float>, panel: UnsafePointer<SIMD16<Float>>, lowRank: Int,
    left: UnsafePointer<Float>, leftStride: Int, right: UnsafePointer<SIMD16<Float>>, output: Int,
    sums: UnsafeMutablePointer<Float>, rows: Int, y: UnsafeMutableRawPointer, yStride: Int, narrow: Bool,
    bias: UnsafePointer<Float>?, addend: UnsafePointer<Float>?, addendStride: Int
)

/// Multiplies a tile of packed rows with a panel and hands over the sums.
@inline(__always)
func tile<Arithmetic: ProductArithmetic, let Height: Int>(
    _ arithmetic: Arithmetic.Type, _ zero: InlineArray<Height, TileRow>, _ task: TileTask
) {
    var accumulators = zero
    var x = task.x
    var panel = task.panel
    fetchResults(zero, task)
    let ahead = Height &* task.steps
    for _ in 0..<task.steps {
        // The next tile's rows into the second level, those of a few steps ahead, across the border, into the first.
        qk_prefetch_second_level(x + ahead)
        qk_prefetch(x + 24 &* Height)
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
    if task.lowRank > 0 { addLowRank(&accumulators, task) }
    if task.output == TileOutput.addToSums || task.output == TileOutput.finishSums {
        for row in 0..<Height {
            for vector in 0..<ProductShape.vectors {
                let sum = qk_load(task.sums + (row &* ProductShape.columns &+ vector &* 16))
                accumulators[row][vector] = sum + accumulators[row][vector]
            }
        }
    }
    if task.output == TileOutput.startSums || task.output == TileOutput.addToSums {
        for row in 0..<Height {
            for vector in 0..<ProductShape.vectors {
                qk_store(task.sums + (row &* ProductShape.columns &+ vector &* 16), accumulators[row][vector])
            }
        }
        return
    }
    finish(&accumulators, task)
}

/// Brings close what the sums will be added to or stored in, while the tile is multiplied.
@inline(__always)
private func fetchResults<let Height: Int>(_ zero: InlineArray<Height, TileRow>, _ task: TileTask) {
    if task.output == TileOutput.addToSums || task.output == TileOutput.finishSums {
        for line in 0..<Height &* ProductShape.vectors { qk_prefetch(task.sums + line &* 16) }
    }
    if task.output >= TileOutput.finishSums {
        for row in 0..<task.rows {
            let line = task.y + row &* task.yStride &* (task.narrow ? 2 : 4)
            qk_prefetch(line)
            if ProductShape.vectors > 1 && !task.narrow { qk_prefetch(line + 64) }
        }
    }
}

/// Bias, addend, and out.
@inline(__always)
private func finish<let Height: Int>(_ accumulators: inout InlineArray<Height, TileRow>, _ task: TileTask) {
    if let bias = task.bias {
        for vector in 0..<ProductShape.vectors {
            let values = qk_load(bias + vector &* 16)
            for row in 0..<Height { accumulators[row][vector] = accumulators[row][vector] + values }
        }
    }
    if let addend = task.addend {
        for row in 0..<Height where row < task.rows {
            for vector in 0..<ProductShape.vectors {
                let values = qk_load(addend + (row &* task.addendStride &+ vector &* 16))
                accumulators[row][vector] = values + accumulators[row][vector]
            }
        }
    }
    #if ISA_AVX512BF16
    if task.narrow {
        for row in 0..<Height where row < task.rows {
            for vector in 0..<ProductShape.vectors {
                storeSums(task, row: row, column: vector &* 16, accumulators[row][vector], count: 16)
            }
        }
        return
    }
    #endif
    let y = task.y.assumingMemoryBound(to: Float.self)
    for row in 0..<Height where row < task.rows {
        for vector in 0..<ProductShape.vectors {
            qk_store(y + (row &* task.yStride &+ vector &* 16), accumulators[row][vector])
        }
    }
}

/// Puts `count` finished sums where they belong.
@inline(__always)
func storeSums(_ task: TileTask, row: Int, column: Int, _ sums: SIMD16<Float>, count: Int) {
    let place = row &* task.yStride &+ column
    #if ISA_AVX512BF16
    if task.narrow {
        qk_store_bfloat16(task.y + place &* 2, sums, Int64(count))
        return
    }
    #endif
    let target = task.y.assumingMemoryBound(to: Float.self) + place
    if count == 16 { qk_store(target, sums) } else { qk_store_first(target, sums, Int64(count)) }
}

/// accumulators += left · right in float32; rows of the tile behind the last repeat it.
@inline(__always)
private func addLowRank<let Height: Int>(_ accumulators: inout InlineArray<Height, TileRow>, _ task: TileTask) {
    var left = task.left
    var right = task.right
    for _ in 0..<task.lowRank {
        for row in 0..<Height {
            let broadcast = SIMD16<Float>(repeating: left[min(row, task.rows &- 1) &* task.leftStride])
            for vector in 0..<ProductShape.vectors {
                accumulators[row][vector] = qk_multiply_add(right[vector], broadcast, accumulators[row][vector])
            }
        }
        left += 1
        right += ProductShape.vectors
    }
}

/// The tile of any height that packing produces.
@inline(__always)
func anyTile<Arithmetic: ProductArithmetic>(_ arithmetic: Arithmetic.Type, height: Int, _ task: TileTask) {
    let zero = TileRow(repeating: SIMD16(repeating: 0))
    #if ISA_AVX512 || ISA_AVX512BF16
    switch height {
    case 12: tile(arithmetic, InlineArray<12, TileRow>(repeating: zero), task)
    case 8: tile(arithmetic, InlineArray<8, TileRow>(repeating: zero), task)
    default: tile(arithmetic, InlineArray<4, TileRow>(repeating: zero), task)
    }
    #elseif ISA_AVX2 || arch(arm64)
    switch height {
    case 6: tile(arithmetic, InlineArray<6, TileRow>(repeating: zero), task)
    case 4: tile(arithmetic, InlineArray<4, TileRow>(repeating: zero), task)
    default: tile(arithmetic, InlineArray<2, TileRow>(repeating: zero), task)
    }
    #else
    switch height {
    case 3: tile(arithmetic, InlineArray<3, TileRow>(repeating: zero), task)
    case 2: tile(arithmetic, InlineArray<2, TileRow>(repeating: zero), task)
    default: tile(arithmetic, InlineArray<1, TileRow>(repeating: zero), task)
    }
    #endif
}
