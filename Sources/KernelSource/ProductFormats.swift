internal import CIntrinsics

/// How one storage becomes float32: all that a new stored format writes.
///
/// Chunks are 32 consecutive elements of a row; the value of an element is code * scale in float32, multiplied once.
protocol PanelFormat {
    /// Whether `chunk` returns even and odd elements apart instead of the first and the second half.
    static var separatesEvenAndOdd: Bool { get }

    /// The elements index ..< index + 32 (all of one row), as (first 16, last 16) or (even, odd).
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>)

    /// One element, by its flat index; the same bits as `chunk` gives.
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float
}

extension PanelFormat {
    /// The first `count` of 32 elements, the others zero, in the order of `chunk`.
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
    @inline(__always)
    static func columns(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int
    ) -> (SIMD16<Float>, SIMD16<Float>) {
        let columns = Int(weight.pointee.columns)
        let index = row &* columns &+ column
        if column &+ 32 <= columns { return chunk(weight, index) }
        return partialChunk(weight, index, count: max(columns &- column, 0))
    }

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
    guard let codes = weight.pointee.scale_codes, let map = weight.pointee.scale_map,
        let absmax = weight.pointee.scale_absmax
    else { return 0 }
    let code = Int(codes.load(fromByteOffset: block, as: UInt8.self))
    let unit = map.loadUnaligned(fromByteOffset: code &* 4, as: Float.self)
    let product = unit * absmax.loadUnaligned(fromByteOffset: (block >> 8) &* 4, as: Float.self)
    return product + weight.pointee.scale_offset
}

/// 4-bit codes, element 2i in the high nibble of byte i.
enum Table4Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { true }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        guard let bytes = weight.pointee.elements, let values = weight.pointee.table else {
            return (SIMD16(repeating: 0), SIMD16(repeating: 0))
        }
        let shift = Int(weight.pointee.block_shift)
        let block = index >> shift
        let offset = index & ((1 << shift) &- 1)
        let scale = blockScale(weight, block)
        let table = qk_load(values)
        if index & 1 == 0 && offset &+ 32 <= 1 << shift {
            // One block: scaling the table once gives the same products as scaling every element.
            let codes = qk_load_bytes(bytes + (index >> 1))
            let scaled = table * qk_splat(scale)
            return (qk_lookup(scaled, codes &>> 4), qk_lookup(scaled, codes))
        }
        var even: SIMD16<UInt32>
        var odd: SIMD16<UInt32>
        if index & 1 == 0 {
            odd = qk_load_bytes(bytes + (index >> 1))
            even = odd &>> 4
        } else {
            even = qk_load_bytes(bytes + (index >> 1))
            odd = qk_load_bytes(bytes + (index >> 1) + 1) &>> 4
        }
        if offset &+ 32 <= 1 << shift {
            let scaled = table * qk_splat(scale)
            return (qk_lookup(scaled, even), qk_lookup(scaled, odd))
        }
        // Two blocks: `first` elements belong to the first of them.
        let first = UInt32(truncatingIfNeeded: (1 << shift) &- offset)
        let next = qk_splat(blockScale(weight, block &+ 1))
        let places = SIMD16<UInt32>(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
        let evenScales = next.replacing(with: qk_splat(scale), where: places .< SIMD16(repeating: first))
        let oddScales = next.replacing(with: qk_splat(scale), where: places &+ 1 .< SIMD16(repeating: first))
        return (qk_lookup(table, even) * evenScales, qk_lookup(table, odd) * oddScales)
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        guard let bytes = weight.pointee.elements, let values = weight.pointee.table else { return 0 }
        let byte = bytes.load(fromByteOffset: index >> 1, as: UInt8.self)
        let code = Int(index & 1 == 0 ? byte >> 4 : byte & 15)
        let value = UnsafeRawPointer(values).loadUnaligned(fromByteOffset: code &* 4, as: Float.self)
        return value * blockScale(weight, index >> Int(weight.pointee.block_shift))
    }
}

/// Signed bytes with block scales.
enum Signed8Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        guard let bytes = weight.pointee.elements else { return (SIMD16(repeating: 0), SIMD16(repeating: 0)) }
        let shift = Int(weight.pointee.block_shift)
        let block = index >> shift
        let offset = index & ((1 << shift) &- 1)
        let scale = qk_splat(blockScale(weight, block))
        let first = qk_load_signed_bytes(bytes + index)
        let second = qk_load_signed_bytes(bytes + index + 16)
        if offset &+ 32 <= 1 << shift { return (first * scale, second * scale) }
        let count = UInt32(truncatingIfNeeded: (1 << shift) &- offset)
        let next = qk_splat(blockScale(weight, block &+ 1))
        let places = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        let firstScales = next.replacing(with: scale, where: places .< SIMD16(repeating: count))
        let secondScales = next.replacing(with: scale, where: places &+ 16 .< SIMD16(repeating: count))
        return (first * firstScales, second * secondScales)
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        guard let bytes = weight.pointee.elements else { return 0 }
        let code = Float(bytes.load(fromByteOffset: index, as: Int8.self))
        return code * blockScale(weight, index >> Int(weight.pointee.block_shift))
    }
}

/// Plain float32.
enum Float32Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        guard let bytes = weight.pointee.elements else { return (SIMD16(repeating: 0), SIMD16(repeating: 0)) }
        return (qk_load(bytes + (index &* 4)), qk_load(bytes + (index &* 4 &+ 64)))
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        weight.pointee.elements?.loadUnaligned(fromByteOffset: index &* 4, as: Float.self) ?? 0
    }
}

/// Plain bfloat16.
enum BFloat16Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        guard let bytes = weight.pointee.elements else { return (SIMD16(repeating: 0), SIMD16(repeating: 0)) }
        return (qk_load_bfloat16(bytes + (index &* 2)), qk_load_bfloat16(bytes + (index &* 2 &+ 32)))
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        let bits = weight.pointee.elements?.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self) ?? 0
        return Float(bitPattern: UInt32(bits) << 16)
    }
}

/// Plain float16.
enum Float16Format: PanelFormat {
    @inline(__always) static var separatesEvenAndOdd: Bool { false }

    @inline(__always)
    static func chunk(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        guard let bytes = weight.pointee.elements else { return (SIMD16(repeating: 0), SIMD16(repeating: 0)) }
        return (qk_load_float16(bytes + (index &* 2)), qk_load_float16(bytes + (index &* 2 &+ 32)))
    }

    @inline(__always)
    static func element(_ weight: UnsafePointer<qk_weight>, _ index: Int) -> Float {
        let bits = weight.pointee.elements?.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self) ?? 0
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
    default: Operation.run(Float32Format.self, argument)
    }
}
