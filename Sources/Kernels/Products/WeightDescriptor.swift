internal import CIntrinsics

extension StoredMatrix {
    /// The matrix as the kernels take it.
    ///
    /// Ends the process where the storage contradicts its contract: a block size that is no power of two from 32 on,
    /// rows that are not whole blocks where they must be.
    var descriptor: qk_weight {
        var weight = qk_weight()
        weight.rows = Int64(rows)
        weight.columns = Int64(columns)
        switch storage {
        case .float32(let elements):
            weight.storage = Int32(QK_STORAGE_FLOAT32)
            weight.elements = elements
        case .bfloat16(let elements):
            weight.storage = Int32(QK_STORAGE_BFLOAT16)
            weight.elements = elements
        case .float16(let elements):
            weight.storage = Int32(QK_STORAGE_FLOAT16)
            weight.elements = elements
        case .table4(let codes, let table, let scales):
            weight.storage = Int32(QK_STORAGE_TABLE4)
            weight.elements = codes
            weight.table = table
            scales.describe(in: &weight)
        case .signed8(let codes, let scales):
            weight.storage = Int32(QK_STORAGE_SIGNED8)
            weight.elements = codes
            scales.describe(in: &weight)
        case .blocks8(let blocks):
            requireWholeBlocks()
            weight.storage = Int32(QK_STORAGE_BLOCKS8)
            weight.elements = blocks
        case .blocks4(let blocks):
            requireWholeBlocks()
            weight.storage = Int32(QK_STORAGE_BLOCKS4)
            weight.elements = blocks
        }
        return weight
    }

    private func requireWholeBlocks() {
        guard columns % 32 == 0 else {
            fatalError("rows of \(columns) elements reached the kernels in blocks of 32; they must be whole blocks")
        }
    }
}

extension BlockScales {
    fileprivate func describe(in weight: inout qk_weight) {
        guard blockSize >= 32, blockSize & (blockSize - 1) == 0 else {
            fatalError("a block size of \(blockSize) reached the kernels; it must be a power of two from 32 on")
        }
        weight.block_shift = Int32(blockSize.trailingZeroBitCount)
        switch storage {
        case .float32(let scales):
            weight.scales = scales
        case .nested(let codes, let map, let absmax, let offset):
            weight.scale_codes = codes
            weight.scale_map = map
            weight.scale_absmax = absmax
            weight.scale_offset = offset
        }
    }
}
