package import Kernels

/// The storages that products know, with block sizes that exercise every way of finding a scale.
package enum SampleStorage: String, CaseIterable, Sendable {
    case float32, bfloat16, float16
    case table4Block64, table4Nested64, table4Block32, table4Nested128, table4Block4096
    case signed8Block64, signed8Nested128
    case blocks8, blocks4

    package var blockSize: Int? {
        switch self {
        case .float32, .bfloat16, .float16, .blocks8, .blocks4: nil
        case .table4Block64, .table4Nested64, .signed8Block64: 64
        case .table4Block32: 32
        case .table4Nested128, .signed8Nested128: 128
        case .table4Block4096: 4096
        }
    }

    package var isNested: Bool { self == .table4Nested64 || self == .table4Nested128 || self == .signed8Nested128 }
    package var isTable: Bool { rawValue.hasPrefix("table4") }

    /// A number of columns that the storage admits: rows may have to be whole blocks of 32.
    package func columns(_ count: Int) -> Int {
        self == .blocks8 || self == .blocks4 ? (count + 31) & ~31 : count
    }

    /// The storage in words: `4-bit blocks of 64, nested scales`.
    package var title: String {
        if self == .blocks8 { return "8-bit blocks of 32 that carry their scale" }
        if self == .blocks4 { return "4-bit blocks of 32 that carry their scale" }
        guard let blockSize else { return rawValue }
        return "\(isTable ? "4" : "8")-bit blocks of \(blockSize)\(isNested ? ", nested scales" : "")"
    }
}

/// Random stored matrix with its memory, every part of it at an odd address, and its values computed one by one.
package final class SampleWeight {
    package let matrix: StoredMatrix
    /// code × scale in float32, row-major.
    package let values: [Float]
    /// For few-row products: the values of the codes without scale, and the scale of each element.
    package private(set) var unscaled: [Float] = []
    package private(set) var scales: [Float] = []
    private var allocations: [UnsafeMutableRawPointer] = []

    package init(_ storage: SampleStorage, rows: Int, columns: Int, seed: UInt64) {
        var numbers = SampleNumbers(seed: seed)
        var allocations: [UnsafeMutableRawPointer] = []
        /// A copy that starts one byte behind an aligned address and is followed by nothing.
        func place<Element: BitwiseCopyable>(_ elements: [Element]) -> UnsafeRawPointer {
            let byteCount = elements.count * MemoryLayout<Element>.stride
            let base = UnsafeMutableRawPointer.allocate(byteCount: byteCount + 1, alignment: 64)
            allocations.append(base)
            elements.withUnsafeBytes {
                (base + 1).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(base), byteCount: byteCount)
            }
            return UnsafeRawPointer(base + 1)
        }
        let count = rows * columns
        guard let blockSize = storage.blockSize else {
            let floats = (0..<count).map { _ in numbers.float() }
            switch storage {
            case .bfloat16:
                let bits = floats.map { UInt16($0.bitPattern >> 16) }
                values = bits.map { Float(bitPattern: UInt32($0) << 16) }
                matrix = StoredMatrix(rows: rows, columns: columns, storage: .bfloat16(place(bits)))
            case .blocks8, .blocks4:
                (matrix, values) = Self.blocks(storage, rows: rows, columns: columns, &numbers, place: place)
            case .float16:
                // Every seventh element is subnormal in float16.
                let halves = floats.enumerated().map { Float16($1 * ($0 % 7 == 0 ? 0x1p-15 : 1)) }
                values = halves.map { Float($0) }
                matrix = StoredMatrix(rows: rows, columns: columns, storage: .float16(place(halves.map(\.bitPattern))))
            default:
                values = floats
                matrix = StoredMatrix(rows: rows, columns: columns, storage: .float32(place(floats)))
            }
            self.allocations = allocations
            return
        }

        let blocks = (count + blockSize - 1) / blockSize
        let blockScales: [Float]
        let scaleStorage: BlockScales.Storage
        if storage.isNested {
            let codes = (0..<blocks).map { _ in UInt8(truncatingIfNeeded: numbers.bits() >> 30) }
            let map = (0..<256).map { _ in numbers.float() }
            let absmax = (0..<(blocks + 255) / 256).map { _ in abs(numbers.float()) + 0.1 }
            let offset: Float = 0.375 + numbers.float() / 16
            blockScales = codes.enumerated().map { index, code in
                let product = map[Int(code)] * absmax[index / 256]
                return product + offset
            }
            scaleStorage = .nested(codes: place(codes), map: place(map), absmax: place(absmax), offset: offset)
        } else {
            blockScales = (0..<blocks).map { _ in numbers.float() }
            scaleStorage = .float32(place(blockScales))
        }
        let scales = BlockScales(blockSize: blockSize, storage: scaleStorage)
        if storage.isTable {
            let table = (0..<16).map { _ in numbers.float() }
            let codes = (0..<count).map { _ in UInt8(truncatingIfNeeded: numbers.bits() >> 33) & 15 }
            let bytes = (0..<(count + 1) / 2).map { index in
                codes[2 * index] << 4 | (2 * index + 1 < count ? codes[2 * index + 1] : 0)
            }
            let tableMemory = UnsafeMutablePointer<Float>.allocate(capacity: 16)
            tableMemory.update(from: table, count: 16)
            allocations.append(UnsafeMutableRawPointer(tableMemory))
            unscaled = codes.map { table[Int($0)] }
            matrix = StoredMatrix(
                rows: rows, columns: columns,
                storage: .table4(codes: place(bytes), table: UnsafePointer(tableMemory), scales: scales))
        } else {
            let codes = (0..<count).map { _ in Int8(truncatingIfNeeded: Int(numbers.bits() >> 33) % 255 - 127) }
            unscaled = codes.map { Float($0) }
            matrix = StoredMatrix(
                rows: rows, columns: columns, storage: .signed8(codes: place(codes), scales: scales))
        }
        values = unscaled.enumerated().map { $1 * blockScales[$0 / blockSize] }
        self.scales = (0..<count).map { blockScales[$0 / blockSize] }
        self.allocations = allocations
    }

    /// Blocks of 32 with float16 scales, some of them subnormal, and the values they stand for.
    private static func blocks(
        _ storage: SampleStorage, rows: Int, columns: Int, _ numbers: inout SampleNumbers,
        place: ([UInt8]) -> UnsafeRawPointer
    ) -> (StoredMatrix, [Float]) {
        var bytes: [UInt8] = []
        var values: [Float] = []
        for block in 0..<rows * columns / 32 {
            let scale = Float16(numbers.float() * (block % 5 == 0 ? 0x1p-16 : 1))
            withUnsafeBytes(of: scale.bitPattern.littleEndian) { bytes += $0 }
            let random = (0..<32).map { _ in UInt8(truncatingIfNeeded: numbers.bits() >> 33) }
            if storage == .blocks8 {
                bytes += random
                values += random.map { Float(Int8(bitPattern: $0)) * Float(scale) }
            } else {
                bytes += (0..<16).map { random[$0] & 15 | random[$0 + 16] << 4 }
                values += random.map { Float(Int($0 & 15) - 8) * Float(scale) }
            }
        }
        let start = place(bytes)
        return (
            StoredMatrix(
                rows: rows, columns: columns, storage: storage == .blocks8 ? .blocks8(start) : .blocks4(start)), values
        )
    }

    /// Whether few-row products multiply the codes and scale the sums: codes in rows of whole 64s of one block.
    package var isMultipliedUnscaled: Bool {
        switch matrix.storage {
        case .table4(_, _, let blocks), .signed8(_, let blocks):
            return blocks.blockSize >= 64 && matrix.columns % 64 == 0
        default:
            return false
        }
    }

    deinit { allocations.forEach { $0.deallocate() } }
}
