package import CIntrinsics

/// Fills the product table with this module's functions.
package func fillProductKernels(_ table: UnsafeMutablePointer<qk_product_kernels>) {
    table.pointee.tile_rows = Int32(ProductShape.rows)
    table.pointee.tile_columns = Int32(ProductShape.columns)
    table.pointee.tile_unit = Int32(ProductShape.unit)
    table.pointee.reduction_block_float32 = Int32(ProductShape.reductionBlockFloat32)
    table.pointee.reduction_block_bfloat16 = Int32(ProductShape.reductionBlockBFloat16)
    table.pointee.chunk_rows = Int32(ProductShape.chunkRows)
    table.pointee.task_panels = Int32(ProductShape.taskPanels)
    table.pointee.workspace_bytes = Int64(ProductShape.workspaceBytes)
    table.pointee.pack = { task in
        guard let task else { return }
        packRows(task)
    }
    table.pointee.product = { task in
        guard let task, let weight = task.pointee.weight else { return }
        #if ISA_AVX512BF16
        if task.pointee.bfloat16 != 0 {
            withFormat(of: weight, PanelProduct<BFloat16Arithmetic>.self, task)
            return
        }
        #endif
        withFormat(of: weight, PanelProduct<Float32Arithmetic>.self, task)
    }
    table.pointee.prepared_row_bytes = { columns in Int64(preparedRowBytes(columns: Int(columns))) }
    table.pointee.prepare_few_rows = { weight, x, xStride, rows, bfloat16, prepared in
        guard let weight, let x, let prepared else { return }
        prepareFewRows(
            weight, x, xStride: Int(xStride), rows: Int(rows), bfloat16: bfloat16 != 0, into: prepared)
    }
    table.pointee.few_rows = { task in
        guard let task, let weight = task.pointee.weight else { return }
        #if ISA_AVX512BF16
        if task.pointee.bfloat16 != 0 {
            if hasWordProduct(weight) {
                multiplyWords(BFloat16WordProduct.self, task)
            } else {
                withFormat(of: weight, FewRowsProduct<BFloat16Arithmetic>.self, task)
            }
            return
        }
        #endif
        if hasWordProduct(weight) {
            multiplyWords(Float32WordProduct.self, task)
        } else {
            withFormat(of: weight, FewRowsProduct<Float32Arithmetic>.self, task)
        }
    }
    table.pointee.unpack_row = { weight, row, out in
        guard let weight, let out else { return }
        var task = (weight: weight, row: Int(row), out: out)
        withFormat(of: weight, RowUnpacking.self, &task)
    }
    table.pointee.tile_peak = { bfloat16, repetitions, memory in
        guard let memory else { return 0 }
        let floats = memory.assumingMemoryBound(to: Float.self)
        #if ISA_AVX512BF16
        if bfloat16 != 0 { return tilePeak(BFloat16Arithmetic.self, repetitions: Int(repetitions), memory: floats) }
        #endif
        return tilePeak(Float32Arithmetic.self, repetitions: Int(repetitions), memory: floats)
    }
}

/// One row of a weight as float32.
enum RowUnpacking: FormatOperation {
    typealias Argument = (weight: UnsafePointer<qk_weight>, row: Int, out: UnsafeMutablePointer<Float>)

    static func run<Format: PanelFormat>(_ format: Format.Type, _ argument: UnsafePointer<Argument>) {
        let (weight, row, out) = argument.pointee
        let columns = Int(weight.pointee.columns)
        var column = 0
        while column < columns {
            let (low, high) = Format.orderedColumns(weight, row: row, column: column)
            let left = columns &- column
            if left >= 32 {
                qk_store(out + column, low)
                qk_store(out + column + 16, high)
            } else {
                qk_store_first(out + column, low, Int64(min(left, 16)))
                if left > 16 { qk_store_first(out + column + 16, high, Int64(left &- 16)) }
            }
            column &+= 32
        }
    }
}

/// The panels of one task times the rows of its chunk.
enum PanelProduct<Arithmetic: ProductArithmetic>: FormatOperation {
    typealias Argument = qk_product_task

    static func run<Format: PanelFormat>(_ format: Format.Type, _ task: UnsafePointer<qk_product_task>) {
        guard let weight = task.pointee.weight, let packed = task.pointee.packed, let y = task.pointee.y,
            let workspace = task.pointee.workspace
        else { return }
        let gradient = task.pointee.gradient != 0
        let reduction = Int(gradient ? weight.pointee.rows : weight.pointee.columns)
        let columns = Int(weight.pointee.columns)
        let block = Int(task.pointee.reduction_block)
        let rows = Int(task.pointee.rows)
        let firstOutput = Int(task.pointee.first_output)
        let outputCount = Int(task.pointee.output_count)
        let panelCount = (outputCount &+ ProductShape.columns &- 1) / ProductShape.columns
        let panels = workspace.assumingMemoryBound(to: Float.self)
        let sums = panels + ProductShape.taskPanels &* ProductShape.panelFloats
        let staging = sums + ProductShape.taskPanels &* ProductShape.sumFloats
        var x = packed.assumingMemoryBound(to: Float.self)
        var start = 0
        while start < reduction {
            let length = min(block, (reduction &- start &+ 31) & ~31)
            if gradient {
                fillGradientPanels(
                    format, Arithmetic.self, weight, row: start, length: length, column: firstOutput,
                    panelCount: panelCount, panels: panels)
            } else {
                for panel in 0..<panelCount {
                    fillForwardPanel(
                        format, Arithmetic.self, weight, row: firstOutput &+ panel &* ProductShape.columns,
                        rowEnd: firstOutput &+ outputCount, column: start, length: length,
                        panel: panels + panel &* ProductShape.panelFloats, staging: staging)
                }
            }
            let last = start &+ block >= reduction
            // The codes of the next block arrive while this one is multiplied, some rows with every tile: all at once
            // they would wait for each other.
            let next = start &+ block
            let nextLength = last ? 0 : min(block, reduction &- next)
            let fetchRows = last ? 0 : (gradient ? nextLength : outputCount)
            let fetchStart = gradient ? next &* columns &+ firstOutput : firstOutput &* columns &+ next
            let fetchCount = gradient ? outputCount : nextLength
            let fetch = (
                start: (fetchStart &* Format.elementBits) &>> 3, stride: columns &* Format.elementBits,
                byteCount: (fetchCount &* Format.elementBits) &>> 3, rows: fetchRows
            )
            multiplyChunk(
                Arithmetic.self, task, steps: length / Arithmetic.unitLength, x: x, panels: panels, sums: sums,
                isFirst: start == 0, isLast: last, y: y, rows: rows, panelCount: panelCount, fetch: fetch)
            x += ProductShape.paddedRows(rows) &* (length / Arithmetic.unitLength)
            start &+= block
        }
    }
}

extension ProductShape {
    /// Rows of a chunk with those that its last tile adds.
    @inline(__always) static func paddedRows(_ rows: Int) -> Int { (rows &+ unit &- 1) / unit &* unit }
}

/// One reduction block of a task: panel after panel meets every tile of rows. A panel stays in the first-level cache, the rows in the second.
@inline(never)
func multiplyChunk<Arithmetic: ProductArithmetic>(
    _ arithmetic: Arithmetic.Type, _ task: UnsafePointer<qk_product_task>, steps: Int, x: UnsafePointer<Float>,
    panels: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>, isFirst: Bool, isLast: Bool,
    y: UnsafeMutablePointer<Float>, rows: Int, panelCount: Int,
    fetch: (start: Int, stride: Int, byteCount: Int, rows: Int)
) {
    let elements = task.pointee.weight.unsafelyUnwrapped.pointee.elements.unsafelyUnwrapped + fetch.start
    let tiles = (rows &+ ProductShape.rows &- 1) / ProductShape.rows &* panelCount
    let fetchesPerTile = (fetch.rows &+ tiles &- 1) / tiles
    var fetchRow = 0
    let firstOutput = Int(task.pointee.first_output)
    let outputCount = Int(task.pointee.output_count)
    let yStride = Int(task.pointee.y_stride)
    let adding = task.pointee.adding != 0
    for panel in 0..<panelCount {
        let column = panel &* ProductShape.columns
        let width = min(ProductShape.columns, outputCount &- column)
        let isFull = width == ProductShape.columns
        let bias = task.pointee.bias.map { $0 + (firstOutput &+ column) }
        // A panel that ends before its last lane finishes by way of the sums.
        let output: Int
        if isLast && isFull {
            output = isFirst ? TileOutput.finish : TileOutput.finishSums
        } else {
            output = isFirst ? TileOutput.startSums : TileOutput.addToSums
        }
        var row = 0
        var x = x
        while row < rows {
            let height = min(ProductShape.rows, ProductShape.paddedRows(rows &- row))
            let valid = min(height, rows &- row)
            let fetchEnd = min(fetchRow &+ fetchesPerTile, fetch.rows)
            while fetchRow < fetchEnd {
                let line = elements + ((fetchRow &* fetch.stride) &>> 3)
                var offset = 0
                while offset < fetch.byteCount {
                    qk_prefetch_second_level(line + offset)
                    offset &+= 64
                }
                fetchRow &+= 1
            }
            let tileSums = sums + (panel &* ProductShape.sumFloats &+ row &* ProductShape.columns)
            let target = y + (row &* yStride &+ firstOutput &+ column)
            anyTile(
                arithmetic, height: height, steps: steps, x: x,
                panel: UnsafeRawPointer(panels + panel &* ProductShape.panelFloats)
                    .assumingMemoryBound(to: SIMD16<Float>.self),
                output: output, sums: tileSums, rows: valid, y: target, yStride: yStride, bias: bias, adding: adding)
            if isLast && !isFull {
                finishEdge(
                    tileSums, rows: valid, width: width, y: target, yStride: yStride, bias: bias, adding: adding)
            }
            x += height &* steps
            row &+= height
        }
    }
}

/// Finishes the sums of a panel with fewer than all lanes, in the order of the full tiles.
@inline(never)
func finishEdge(
    _ sums: UnsafePointer<Float>, rows: Int, width: Int, y: UnsafeMutablePointer<Float>, yStride: Int,
    bias: UnsafePointer<Float>?, adding: Bool
) {
    for row in 0..<rows {
        for lane in 0..<width {
            var sum = sums[row &* ProductShape.columns &+ lane]
            if let bias { sum = sum + bias[lane] }
            let target = y + (row &* yStride &+ lane)
            target.pointee = adding ? target.pointee + sum : sum
        }
    }
}

/// The full tile on data in the first-level cache: 256 steps, 16 KB of panel and 12 KB of rows at most.
@inline(never)
func tilePeak<Arithmetic: ProductArithmetic>(
    _ arithmetic: Arithmetic.Type, repetitions: Int, memory: UnsafeMutablePointer<Float>
) -> Double {
    let steps = 128
    let x = memory
    let panel = memory + 4096
    let sums = memory + 12288
    for _ in 0..<repetitions {
        anyTile(
            arithmetic, height: ProductShape.rows, steps: steps, x: x,
            panel: UnsafeRawPointer(panel).assumingMemoryBound(to: SIMD16<Float>.self), output: TileOutput.startSums,
            sums: sums, rows: ProductShape.rows, y: sums, yStride: ProductShape.columns, bias: nil, adding: false)
    }
    let products = ProductShape.rows &* ProductShape.columns &* steps &* Arithmetic.unitLength &* repetitions
    return 2 * Double(products)
}
