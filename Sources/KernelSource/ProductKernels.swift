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
    table.pointee.low_rank_limit = Int32(ProductShape.lowRankLimit)
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
    table.pointee.thin_product = { task in
        guard let task else { return }
        multiplyThin(task)
    }
    table.pointee.outer_product = { task in
        guard let task else { return }
        addOuterProduct(task)
    }
    table.pointee.transpose = { from, fromStride, rows, columns, to, toStride in
        guard let from, let to else { return }
        transposeMatrix(
            from, stride: Int(fromStride), rows: Int(rows), columns: Int(columns), into: to, toStride: Int(toStride))
    }
    table.pointee.prepared_row_bytes = { columns in Int64(preparedRowBytes(columns: Int(columns))) }
    table.pointee.prepared_order = { weight in weight.map { preparedOrder($0) } ?? 0 }
    table.pointee.prepare_few_rows = { weight, x, xStride, rows, bfloat16, prepared in
        guard let weight, let x, let prepared else { return }
        prepareFewRows(
            weight, x, xStride: Int(xStride), rows: Int(rows), bfloat16: bfloat16 != 0, into: prepared)
    }
    table.pointee.few_rows = { task in
        guard let task, let weight = task.pointee.weight else { return }
        #if ISA_AVX512BF16
        if task.pointee.bfloat16 != 0 {
            if multipliesCodes(weight) {
                if weight.pointee.storage == Int32(QK_STORAGE_TABLE4) {
                    multiplyCodes(BFloat16WordProduct.self, task)
                } else {
                    multiplyCodes(ByteProduct.self, task)
                }
            } else {
                withFormat(of: weight, FewRowsProduct<BFloat16Arithmetic>.self, task)
            }
            return
        }
        #endif
        if multipliesCodes(weight) {
            if weight.pointee.storage == Int32(QK_STORAGE_TABLE4) {
                multiplyCodes(Float32WordProduct.self, task)
            } else {
                multiplyCodes(ByteProduct.self, task)
            }
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
