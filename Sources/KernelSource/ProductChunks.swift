internal import CIntrinsics

/// The panels of one task times the rows of its chunk.
enum PanelProduct<Arithmetic: ProductArithmetic>: FormatOperation {
    typealias Argument = qk_product_task

    static func run<Format: PanelFormat>(_ format: Format.Type, _ task: UnsafePointer<qk_product_task>) {
        guard let weight = task.pointee.weight, let packed = task.pointee.packed,
            let workspace = task.pointee.workspace
        else { return }
        let gradient = task.pointee.gradient != 0
        let first = Int(task.pointee.reduction_start)
        let reduction = Int(task.pointee.reduction_end)
        let columns = Int(weight.pointee.columns)
        let block = Int(task.pointee.reduction_block)
        let packedRows = ProductShape.paddedRows(Int(task.pointee.packed_rows))
        let firstRow = Int(task.pointee.first_row)
        let firstOutput = Int(task.pointee.first_output)
        let outputCount = Int(task.pointee.output_count)
        let panelCount = (outputCount &+ ProductShape.columns &- 1) / ProductShape.columns
        let memory = workspaceParts(workspace)
        var x = packed.assumingMemoryBound(to: Float.self)
        var start = first
        while start < reduction {
            let length = min(block, (reduction &- start &+ 31) & ~31)
            if gradient {
                fillGradientPanels(
                    format, Arithmetic.self, weight, row: start, length: length, column: firstOutput,
                    panelCount: panelCount, panels: memory.panels)
            } else {
                for panel in 0..<panelCount {
                    fillForwardPanel(
                        format, Arithmetic.self, weight, row: firstOutput &+ panel &* ProductShape.columns,
                        rowEnd: firstOutput &+ outputCount, column: start, length: length,
                        panel: memory.panels + panel &* ProductShape.panelFloats, staging: memory.staging)
                }
            }
            let isLast = start &+ block >= reduction
            if isLast && task.pointee.low_rank > 0 { fillLowRankPanels(task, memory.lowRank) }
            // The codes of the next block arrive while this one is multiplied, some rows with every tile: all at once
            // they would wait for each other.
            let next = start &+ block
            let nextLength = isLast ? 0 : min(block, reduction &- next)
            let fetchRows = isLast ? 0 : (gradient ? nextLength : outputCount)
            let fetchStart = gradient ? next &* columns &+ firstOutput : firstOutput &* columns &+ next
            let fetchCount = gradient ? outputCount : nextLength
            let fetch = (
                start: (fetchStart &* Format.sixteenthBits) &>> 7, stride: columns &* Format.sixteenthBits,
                byteCount: (fetchCount &* Format.sixteenthBits) &>> 7, rows: fetchRows
            )
            let steps = length / Arithmetic.unitLength
            multiplyChunk(
                Arithmetic.self, task, steps: steps, x: x + firstRow &* steps, isFirst: start == first,
                isLast: isLast, panelCount: panelCount, fetch: fetch)
            x += packedRows &* steps
            start &+= block
        }
    }
}

extension ProductShape {
    /// Rows of a chunk with those that its last tile adds.
    @inline(__always) static func paddedRows(_ rows: Int) -> Int { (rows &+ unit &- 1) / unit &* unit }
}

/// The parts of a task's workspace: panels of the weight, panels of a low-rank factor, sums, and a staging area.
@inline(__always)
private func workspaceParts(
    _ workspace: UnsafeMutableRawPointer
) -> (
    panels: UnsafeMutablePointer<Float>, lowRank: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>,
    staging: UnsafeMutablePointer<Float>
) {
    let panels = workspace.assumingMemoryBound(to: Float.self)
    let lowRank = panels + ProductShape.taskPanels &* ProductShape.panelFloats
    let sums = lowRank + ProductShape.taskPanels &* ProductShape.lowRankFloats
    return (panels, lowRank, sums, sums + ProductShape.taskPanels &* ProductShape.sumFloats)
}

/// One reduction block of a task: panel after panel meets every tile of rows. A panel stays in the first-level cache,
/// the rows in the second.
@inline(never)
private func multiplyChunk<Arithmetic: ProductArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_product_task>, steps: Int, x: UnsafePointer<Float>,
    isFirst: Bool, isLast: Bool, panelCount: Int, fetch: (start: Int, stride: Int, byteCount: Int, rows: Int)
) {
    let memory = workspaceParts(task.pointee.workspace.unsafelyUnwrapped)
    let y = task.pointee.y.unsafelyUnwrapped
    let elements = task.pointee.weight.unsafelyUnwrapped.pointee.elements.unsafelyUnwrapped + fetch.start
    let rows = Int(task.pointee.rows)
    let tiles = (rows &+ ProductShape.rows &- 1) / ProductShape.rows &* panelCount
    let fetchesPerTile = (fetch.rows &+ tiles &- 1) / tiles
    var fetchRow = 0
    let firstOutput = Int(task.pointee.first_output)
    let outputCount = Int(task.pointee.output_count)
    let yStride = Int(task.pointee.y_stride)
    let narrow = task.pointee.narrow != 0
    let addendStride = Int(task.pointee.addend_stride)
    let lowRank = isLast ? Int(task.pointee.low_rank) : 0
    let leftStride = Int(task.pointee.left_stride)
    let left = task.pointee.left ?? x
    let starts = isFirst && task.pointee.continues == 0
    let finishes = isLast && task.pointee.is_continued == 0
    for panel in 0..<panelCount {
        let column = panel &* ProductShape.columns
        let width = min(ProductShape.columns, outputCount &- column)
        let isFull = width == ProductShape.columns
        let bias = task.pointee.bias.map { $0 + (firstOutput &+ column) }
        // A panel that ends before its last lane finishes by way of the sums.
        let output: Int
        if finishes && isFull {
            output = starts ? TileOutput.finish : TileOutput.finishSums
        } else {
            output = starts ? TileOutput.startSums : TileOutput.addToSums
        }
        let panelStart = UnsafeRawPointer(memory.panels + panel &* ProductShape.panelFloats)
        let rightStart = UnsafeRawPointer(memory.lowRank + panel &* ProductShape.lowRankFloats)
        var row = 0
        var x = x
        while row < rows {
            let height = min(ProductShape.rows, ProductShape.paddedRows(rows &- row))
            let fetchEnd = min(fetchRow &+ fetchesPerTile, fetch.rows)
            while fetchRow < fetchEnd {
                let line = elements + ((fetchRow &* fetch.stride) &>> 7)
                var offset = 0
                while offset < fetch.byteCount {
                    qk_prefetch_second_level(line + offset)
                    offset &+= 64
                }
                fetchRow &+= 1
            }
            let tile: TileTask = (
                steps: steps, x: x, panel: panelStart.assumingMemoryBound(to: SIMD16<Float>.self), lowRank: lowRank,
                left: left + row &* leftStride, leftStride: leftStride,
                right: rightStart.assumingMemoryBound(to: SIMD16<Float>.self), output: output,
                sums: memory.sums + (panel &* ProductShape.sumFloats &+ row &* ProductShape.columns),
                rows: min(height, rows &- row),
                y: y + (row &* yStride &+ firstOutput &+ column) &* (narrow ? 2 : 4), yStride: yStride, narrow: narrow,
                bias: bias, addend: task.pointee.addend.map { $0 + (row &* addendStride &+ firstOutput &+ column) },
                addendStride: addendStride
            )
            anyTile(arithmetic, height: height, tile)
            if finishes && !isFull { finishEdge(tile, width: width) }
            x += height &* steps
            row &+= height
        }
    }
}

/// Finishes the sums of a panel with fewer than all lanes, in the order of the full tiles.
@inline(never)
private func finishEdge(_ tile: TileTask, width: Int) {
    for row in 0..<tile.rows {
        var lane = 0
        while lane < width {
            let count = min(16, width &- lane)
            var sum = qk_load(tile.sums + (row &* ProductShape.columns &+ lane))
            if let bias = tile.bias { sum = sum + qk_load_first(bias + lane, Int64(count)) }
            if let addend = tile.addend {
                sum = qk_load_first(addend + (row &* tile.addendStride &+ lane), Int64(count)) + sum
            }
            storeSums(tile, row: row, column: lane, sum, count: count)
            lane &+= 16
        }
    }
}

/// The right factor of a low-rank product as panels, [low rank][ProductShape.columns] each; outputs behind the last
/// of the task become zero.
@inline(never)
private func fillLowRankPanels(_ task: UnsafePointer<qk_product_task>, _ panels: UnsafeMutablePointer<Float>) {
    guard let right = task.pointee.right else { return }
    let stride = Int(task.pointee.right_stride)
    let rank = Int(task.pointee.low_rank)
    let firstOutput = Int(task.pointee.first_output)
    let outputCount = Int(task.pointee.output_count)
    var column = 0
    while column < outputCount {
        let panel =
            panels
            + (column / ProductShape.columns &* ProductShape.lowRankFloats &+ column & (ProductShape.columns &- 1))
        let count = min(16, outputCount &- column)
        if task.pointee.right_by_outputs == 0 {
            for step in 0..<rank {
                qk_store(
                    panel + step &* ProductShape.columns,
                    qk_load_first(right + (step &* stride &+ firstOutput &+ column), Int64(count)))
            }
        } else {
            transposeMatrix(
                right + (firstOutput &+ column) &* stride, stride: stride, rows: count, columns: rank, into: panel,
                toStride: ProductShape.columns, isPadded: false)
        }
        column &+= 16
    }
    // The second vector of a panel that has only one.
    if ProductShape.vectors > 1 && (outputCount &+ 15) / 16 & 1 == 1 {
        let panel = panels + ((outputCount &- 1) / ProductShape.columns &* ProductShape.lowRankFloats &+ 16)
        for step in 0..<rank { qk_store(panel + step &* ProductShape.columns, SIMD16(repeating: 0)) }
    }
}

/// The full tile on data in the first-level cache: 128 steps, 16 KB of panel and 6 KB of rows at most.
@inline(never)
func tilePeak<Arithmetic: ProductArithmetic>(
    _ arithmetic: Arithmetic.Type, repetitions: Int, memory: UnsafeMutablePointer<Float>
) -> Double {
    let steps = 128
    let panel = UnsafeRawPointer(memory + 4096).assumingMemoryBound(to: SIMD16<Float>.self)
    let sums = memory + 12288
    for _ in 0..<repetitions {
        anyTile(
            arithmetic, height: ProductShape.rows,
            (
                steps: steps, x: UnsafePointer(memory), panel: panel, lowRank: 0, left: UnsafePointer(memory),
                leftStride: 0, right: panel, output: TileOutput.startSums, sums: sums, rows: ProductShape.rows,
                y: UnsafeMutableRawPointer(sums),
                yStride: ProductShape.columns, narrow: false, bias: nil, addend: nil, addendStride: 0
            ))
    }
    let products = ProductShape.rows &* ProductShape.columns &* steps &* Arithmetic.unitLength &* repetitions
    return 2 * Double(products)
}
