internal import CIntrinsics

/// How one storage becomes float32: all that a new stored format writes.
///
/// Chunks are 32 consecutive elements of a row; the value of an element is code * scale in float32, multiplied once.
/// The pointers of a descriptor that its storage needs are never null.
protocol PanelFormat {
    /// Whether `chunk` returns even and odd elements apart instead of the first and the second half.
    static var separatesEvenAndOdd: Bool { get }

    /// Bits that an element takes with its share of what stands between elements, in sixteenths, for fetching ahead.
    static var sixteenthBits: Int { get }

    /// The elements index ..< index + 32 (all of one row; index a multiple of 32), as (first 16, last 16) or (even, odd).
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>)

    /// The same at any index.
    static func looseChunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>)

    /// One element, by its flat index; the same bits as `chunk` gives.
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float

    /// The first `count` of 32 elements, the others zero, in the order of `chunk`.
    static func partialChunk(
        _ weight: UnsafePointer<qk_weight>, _ index: Int, count: Int
    ) -> (SIMD16<Float>, SIMD16<Float>)

    /// Writes columns of 16 rows in float32 as vectors, a column each, `stride` floats apart; false, with nothing written,
    /// where the format or the shape of the weight has no better way than row after row.
    ///
    /// - Parameters:
    ///   - column: the first of `length` columns, both multiples of 32; there are at most `reductionBlockFloat32`.
    ///   - staging: memory for 2048 floats, aligned to 64.
    static func fillColumns(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int, length: Int,
        into columns: UnsafeMutablePointer<Float>, stride: Int, staging: UnsafeMutablePointer<Float>
    ) -> Bool

    #if ISA_AVX512BF16
    /// 32 columns of a row from `column` on, those behind the last zero, rounded to bfloat16, in order: as 16 pairs.
    static func pairs(_ weight: UnsafePointer<qk_weight>, row: Int, column: Int) -> SIMD16<Float>

    /// The same in the order of `chunk`.
    static func narrowColumns(_ weight: UnsafePointer<qk_weight>, row: Int, column: Int) -> SIMD16<Float>

    /// The same for 64 columns; the first is a multiple of 64.
    static func twicePairs(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int
    ) -> (SIMD16<Float>, SIMD16<Float>)
    #endif
}

extension PanelFormat {
    @inline(__always)
    static func fillColumns(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int, length: Int,
        into columns: UnsafeMutablePointer<Float>, stride: Int, staging: UnsafeMutablePointer<Float>
    ) -> Bool { false }

    /// Where alignment means nothing.
    @inline(__always)
    static func looseChunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        chunk(weight, index)
    }

    @inline(never)
    static func partialChunk(
        _ weight: UnsafePointer<qk_weight>, _ index: Int, count: Int
    ) -> (SIMD16<Float>, SIMD16<Float>) {
        var first = SIMD16<Float>(repeating: 0)
        var second = SIMD16<Float>(repeating: 0)
        for offset in 0..<min(count, 32) {
            let value = element(weight, index &+ offset)
            if separatesEvenAndOdd {
                if offset & 1 == 0 { first[offset >> 1] = value } else { second[offset >> 1] = value }
            } else {
                if offset < 16 { first[offset] = value } else { second[offset &- 16] = value }
            }
        }
        return (first, second)
    }

    /// 32 columns of a row from `column` on, those behind the last column zero, in the order of `chunk`.
    @inline(never)
    static func looseColumns(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int
    ) -> (SIMD16<Float>, SIMD16<Float>) {
        let columns = Int(weight.pointee.columns)
        let index = row &* columns &+ column
        if column &+ 32 <= columns { return looseChunk(weight, index) }
        return partialChunk(weight, index, count: max(columns &- column, 0))
    }

    /// 32 columns of a row from `column` on, those behind the last column zero, in the order of `chunk`.
    ///
    /// Where rows are whole chunks, every chunk is whole, starts on an even element and lies in one block.
    @inline(__always)
    static func columns(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int
    ) -> (SIMD16<Float>, SIMD16<Float>) {
        let columns = Int(weight.pointee.columns)
        if columns & 31 == 0 { return chunk(weight, row &* columns &+ column) }
        return looseColumns(weight, row: row, column: column)
    }

    #if ISA_AVX512BF16
    @inline(__always)
    static func narrowColumns(_ weight: UnsafePointer<qk_weight>, row: Int, column: Int) -> SIMD16<Float> {
        let (first, second) = columns(weight, row: row, column: column)
        return qk_narrow_bfloat16(first, second)
    }

    @inline(__always)
    static func pairs(_ weight: UnsafePointer<qk_weight>, row: Int, column: Int) -> SIMD16<Float> {
        let (first, second) = columns(weight, row: row, column: column)
        return separatesEvenAndOdd ? qk_zip_bfloat16(first, second) : qk_narrow_bfloat16(first, second)
    }

    @inline(__always)
    static func twicePairs(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int
    ) -> (SIMD16<Float>, SIMD16<Float>) {
        (pairs(weight, row: row, column: column), pairs(weight, row: row, column: column &+ 32))
    }
    #endif

    /// The same in the order of the columns.
    @inline(__always)
    static func orderedColumns(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int
    ) -> (SIMD16<Float>, SIMD16<Float>) {
        let (first, second) = columns(weight, row: row, column: column)
        guard separatesEvenAndOdd else { return (first, second) }
        return (qk_interleave_low(first, second), qk_interleave_high(first, second))
    }
}

/// The scale of a block.
@inline(__always)
func blockScale(_ weight: UnsafePointer<qk_weight>, _ block: Int) -> Float {
    if let scales = weight.pointee.scales { return scales.loadUnaligned(fromByteOffset: block &* 4, as: Float.self) }
    let codes = weight.pointee.scale_codes.unsafelyUnwrapped
    let map = weight.pointee.scale_map.unsafelyUnwrapped
    let absmax = weight.pointee.scale_absmax.unsafelyUnwrapped
    let unit = map.loadUnaligned(
        fromByteOffset: Int(codes.load(fromByteOffset: block, as: UInt8.self)) &* 4, as: Float.self)
    let product = unit * absmax.loadUnaligned(fromByteOffset: (block &>> 8) &* 4, as: Float.self)
    return product + weight.pointee.scale_offset
}

/// 4-bit codes, element 2i in the high nibble of byte i.
enum Table4Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { true }
    @inline(__always) static var sixteenthBits: Int { 64 }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        // Scaling the table gives the same products as scaling every element.
        let scale = blockScale(weight, index &>> Int(weight.pointee.block_shift))
        let scaled = qk_load(weight.pointee.table.unsafelyUnwrapped) * qk_splat(scale)
        let codes = qk_load_bytes(weight.pointee.elements.unsafelyUnwrapped + (index &>> 1))
        return (qk_lookup(scaled, codes &>> 4), qk_lookup(scaled, codes))
    }

    #if ISA_AVX512BF16
    @inline(__always)
    static func twicePairs(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int
    ) -> (SIMD16<Float>, SIMD16<Float>) {
        let columns = Int(weight.pointee.columns)
        guard columns & 63 == 0 && weight.pointee.block_shift >= 6 else {
            return (pairs(weight, row: row, column: column), pairs(weight, row: row, column: column &+ 32))
        }
        // 64 codes of one scale: the table is scaled and rounded instead of the elements, with the same result.
        let index = row &* columns &+ column
        let scale = blockScale(weight, index &>> Int(weight.pointee.block_shift))
        let scaled = qk_load(weight.pointee.table.unsafelyUnwrapped) * qk_splat(scale)
        let table = qk_narrow_bfloat16(scaled, scaled)
        let bytes = weight.pointee.elements.unsafelyUnwrapped + (index &>> 1)
        let first = qk_load_bytes(bytes)
        let second = qk_load_bytes(bytes + 16)
        // The high half of a byte comes first; the table stands twice, so that a fifth bit of an index does not matter.
        return (
            qk_lookup_bfloat16(table, first &>> 4 | first &<< 16, 0),
            qk_lookup_bfloat16(table, second &>> 4 | second &<< 16, 0)
        )
    }
    #endif

    @inline(__always)
    static func looseChunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        let bytes = weight.pointee.elements.unsafelyUnwrapped + (index &>> 1)
        // An odd index starts with a low nibble.
        var even = qk_load_bytes(bytes)
        let odd = index & 1 == 0 ? even : qk_load_bytes(bytes + 1) &>> 4
        if index & 1 == 0 { even = even &>> 4 }
        let table = qk_load(weight.pointee.table.unsafelyUnwrapped)
        let places = SIMD16<UInt32>(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
        let scales = looseScales(weight, index)
        return (
            qk_lookup(table, even) * qk_select_below(places, scales.limit, scales.first, scales.second),
            qk_lookup(table, odd) * qk_select_below(places &+ 1, scales.limit, scales.first, scales.second)
        )
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        let byte = weight.pointee.elements.unsafelyUnwrapped.load(fromByteOffset: index >> 1, as: UInt8.self)
        let code = Int(index & 1 == 0 ? byte >> 4 : byte & 15)
        let table = UnsafeRawPointer(weight.pointee.table.unsafelyUnwrapped)
        let value = table.loadUnaligned(fromByteOffset: code &* 4, as: Float.self)
        return value * blockScale(weight, index >> Int(weight.pointee.block_shift))
    }
}

/// The scales of 32 elements from any index on: `first` for the elements before `limit`, `second` for the others.
@inline(__always)
private func looseScales(
    _ weight: UnsafePointer<qk_weight>, _ index: Int
) -> (limit: UInt32, first: SIMD16<Float>, second: SIMD16<Float>) {
    let shift = Int(weight.pointee.block_shift)
    let block = index &>> shift
    let left = (1 &<< shift) &- (index & ((1 &<< shift) &- 1))
    let first = qk_splat(blockScale(weight, block))
    return (UInt32(truncatingIfNeeded: left), first, left < 32 ? qk_splat(blockScale(weight, block &+ 1)) : first)
}

/// Signed bytes with block scales.
enum Signed8Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }
    @inline(__always) static var sixteenthBits: Int { 128 }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        let scale = qk_splat(blockScale(weight, index &>> Int(weight.pointee.block_shift)))
        let bytes = weight.pointee.elements.unsafelyUnwrapped + index
        return (qk_load_signed_bytes(bytes) * scale, qk_load_signed_bytes(bytes + 16) * scale)
    }

    @inline(__always)
    static func looseChunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        let bytes = weight.pointee.elements.unsafelyUnwrapped + index
        let places = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        let scales = looseScales(weight, index)
        return (
            qk_load_signed_bytes(bytes) * qk_select_below(places, scales.limit, scales.first, scales.second),
            qk_load_signed_bytes(bytes + 16)
                * qk_select_below(places &+ 16, scales.limit, scales.first, scales.second)
        )
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        let code = Float(weight.pointee.elements.unsafelyUnwrapped.load(fromByteOffset: index, as: Int8.self))
        return code * blockScale(weight, index >> Int(weight.pointee.block_shift))
    }
}

/// Plain float32.
enum Float32Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }
    @inline(__always) static var sixteenthBits: Int { 512 }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        let bytes = weight.pointee.elements.unsafelyUnwrapped
        return (qk_load(bytes + (index &* 4)), qk_load(bytes + (index &* 4 &+ 64)))
    }

    /// Rows of an adapter's matrix are short.
    @inline(__always)
    static func partialChunk(
        _ weight: UnsafePointer<qk_weight>, _ index: Int, count: Int
    ) -> (SIMD16<Float>, SIMD16<Float>) {
        let floats = weight.pointee.elements.unsafelyUnwrapped.assumingMemoryBound(to: Float.self) + index
        return (
            qk_load_first(floats, Int64(min(count, 16))),
            count > 16 ? qk_load_first(floats + 16, Int64(count &- 16)) : SIMD16(repeating: 0)
        )
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        weight.pointee.elements.unsafelyUnwrapped.loadUnaligned(fromByteOffset: index &* 4, as: Float.self)
    }
}

/// Plain bfloat16.
enum BFloat16Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }
    @inline(__always) static var sixteenthBits: Int { 256 }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        let bytes = weight.pointee.elements.unsafelyUnwrapped
        return (qk_load_bfloat16(bytes + (index &* 2)), qk_load_bfloat16(bytes + (index &* 2 &+ 32)))
    }

    #if ISA_AVX512BF16
    /// As they lie there.
    @inline(__always)
    static func pairs(_ weight: UnsafePointer<qk_weight>, row: Int, column: Int) -> SIMD16<Float> {
        let columns = Int(weight.pointee.columns)
        if column &+ 32 <= columns {
            return qk_load(weight.pointee.elements.unsafelyUnwrapped + (row &* columns &+ column) &* 2)
        }
        let (first, second) = looseColumns(weight, row: row, column: column)
        return qk_narrow_bfloat16(first, second)
    }

    @inline(__always)
    static func narrowColumns(_ weight: UnsafePointer<qk_weight>, row: Int, column: Int) -> SIMD16<Float> {
        pairs(weight, row: row, column: column)
    }
    #endif

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        let bits = weight.pointee.elements.unsafelyUnwrapped.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        return Float(bitPattern: UInt32(bits) << 16)
    }
}

/// Plain float16.
enum Float16Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }
    @inline(__always) static var sixteenthBits: Int { 256 }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        let bytes = weight.pointee.elements.unsafelyUnwrapped
        return (qk_load_float16(bytes + (index &* 2)), qk_load_float16(bytes + (index &* 2 &+ 32)))
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        let bits = weight.pointee.elements.unsafelyUnwrapped.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        return qk_float16_value(bits)
    }
}

/// What runs over a storage, specialised for each of them.
protocol FormatOperation {
    associatedtype Argument
    static func run<Format: PanelFormat>(_ format: Format.Type, _ argument: UnsafePointer<Argument>)
}

/// Runs an operation with the format of a weight: the one place that lists the formats.
@inline(__always)
func withFormat<Operation: FormatOperation>(
    of weight: UnsafePointer<qk_weight>, _ operation: Operation.Type, _ argument: UnsafePointer<Operation.Argument>
) {
    switch weight.pointee.storage {
    case Int32(QK_STORAGE_TABLE4): Operation.run(Table4Format.self, argument)
    case Int32(QK_STORAGE_SIGNED8): Operation.run(Signed8Format.self, argument)
    case Int32(QK_STORAGE_BFLOAT16): Operation.run(BFloat16Format.self, argument)
    case Int32(QK_STORAGE_FLOAT16): Operation.run(Float16Format.self, argument)
    case Int32(QK_STORAGE_BLOCKS8): Operation.run(Blocks8Format.self, argument)
    case Int32(QK_STORAGE_BLOCKS4): Operation.run(Blocks4Format.self, argument)
    default: Operation.run(Float32Format.self, argument)
    }
}
