/// Scales of a blockwise-quantized matrix: one for each block of `blockSize` consecutive elements in row-major order
/// (blocks run on across rows; the last may be short).
package struct BlockScales: @unchecked Sendable {
    // Unchecked: read-only memory of a mapped file or of an owner that outlives the model.

    package enum Storage {
        /// float32 [blocks], at any alignment.
        case float32(UnsafeRawPointer)
        /// Double-quantized: scale i = map[codes[i]] * absmax[i / 256] + offset, in float32, multiply then add.
        /// `codes` UInt8 [blocks]; `map` float32 [256]; `absmax` float32 [ceil(blocks / 256)]; at any alignment.
        case nested(codes: UnsafeRawPointer, map: UnsafeRawPointer, absmax: UnsafeRawPointer, offset: Float)
    }

    /// Elements a scale stands for: a power of two from 32 to 4096.
    package let blockSize: Int
    package let storage: Storage

    package init(blockSize: Int, storage: Storage) {
        self.blockSize = blockSize
        self.storage = storage
    }
}

/// A frozen weight matrix as it lies in a file: a view, row-major, W [rows = outputs N, columns = inputs K].
///
/// Pointers may have any alignment. Element (n, k) has the flat index n * columns + k.
package struct StoredMatrix: @unchecked Sendable {
    // Unchecked: read-only memory of a mapped file or of an owner that outlives the model.

    package enum Storage {
        case float32(UnsafeRawPointer)
        case bfloat16(UnsafeRawPointer)
        case float16(UnsafeRawPointer)
        /// 4-bit codes into a table of 16 values: element 2i in the high nibble of byte i, 2i + 1 in the low one;
        /// value = table[code] * scale. `table` float32 [16].
        case table4(codes: UnsafeRawPointer, table: UnsafePointer<Float>, scales: BlockScales)
        /// Signed 8-bit codes: value = code * scale, the scale being the block's absmax / 127.
        case signed8(codes: UnsafeRawPointer, scales: BlockScales)
        /// Blocks of 32 elements, 34 bytes each: a float16 scale, then signed 8-bit codes; value = code * scale. Columns are
        /// a multiple of 32.
        case blocks8(UnsafeRawPointer)
        /// Blocks of 32 elements, 18 bytes each: a float16 scale, then 16 bytes, byte i holding the code of element i in
        /// its low half and that of element i + 16 in its high half; value = (code - 8) * scale. Columns are a multiple
        /// of 32.
        case blocks4(UnsafeRawPointer)
    }

    /// N, outputs.
    package let rows: Int
    /// K, inputs.
    package let columns: Int
    package let storage: Storage

    package init(rows: Int, columns: Int, storage: Storage) {
        self.rows = rows
        self.columns = columns
        self.storage = storage
    }
}

extension StoredMatrix {
    /// Rows of a range as a matrix of their own; nil where the first does not begin a block of scales (of nested scales: 256
    /// blocks), so that no view of it exists.
    package func rows(_ range: Range<Int>) -> StoredMatrix? {
        let first = range.lowerBound * columns
        let storage: Storage
        switch self.storage {
        case .float32(let elements): storage = .float32(elements + first * 4)
        case .bfloat16(let elements): storage = .bfloat16(elements + first * 2)
        case .float16(let elements): storage = .float16(elements + first * 2)
        case .table4(let codes, let table, let scales):
            guard let scales = scales.from(first) else { return nil }
            storage = .table4(codes: codes + first / 2, table: table, scales: scales)
        case .signed8(let codes, let scales):
            guard let scales = scales.from(first) else { return nil }
            storage = .signed8(codes: codes + first, scales: scales)
        case .blocks8(let blocks): storage = .blocks8(blocks + first / 32 * 34)
        case .blocks4(let blocks): storage = .blocks4(blocks + first / 32 * 18)
        }
        return StoredMatrix(rows: range.count, columns: columns, storage: storage)
    }
}

extension BlockScales {
    /// The scales of the elements from one on; nil where that is not the first of what scales are kept for.
    fileprivate func from(_ element: Int) -> BlockScales? {
        let (block, rest) = element.quotientAndRemainder(dividingBy: blockSize)
        guard rest == 0 else { return nil }
        switch storage {
        case .float32(let scales): return BlockScales(blockSize: blockSize, storage: .float32(scales + block * 4))
        case .nested(let codes, let map, let absmax, let offset):
            guard block % 256 == 0 else { return nil }
            return BlockScales(
                blockSize: blockSize,
                storage: .nested(codes: codes + block, map: map, absmax: absmax + block / 256 * 4, offset: offset))
        }
    }
}
