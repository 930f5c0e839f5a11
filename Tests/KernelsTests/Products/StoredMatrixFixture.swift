import Kernels
import Tensors

/// A small generator of test data: xorshift64*, the same numbers on every machine.
struct TestNumbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func bits() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }

    /// Uniform in -1 ..< 1.
    mutating func float() -> Float { Float(Int64(bits() >> 40) - (1 << 23)) / Float(1 << 23) }
}

/// The storages that products are tested with.
enum TestStorage: String, CaseIterable, Sendable {
    case float32, bfloat16, float16
    case table4Block64, table4Nested64, table4Block32, table4Nested128, table4Block4096
    case signed8Block64, signed8Nested128

    var blockSize: Int? {
        switch self {
        case .float32, .bfloat16, .float16: nil
        case .table4Block64, .table4Nested64, .signed8Block64: 64
        case .table4Block32: 32
        case .table4Nested128, .signed8Nested128: 128
        case .table4Block4096: 4096
        }
    }

    var isNested: Bool { self == .table4Nested64 || self == .table4Nested128 || self == .signed8Nested128 }
    var isTable: Bool { rawValue.hasPrefix("table4") }
}

/// Random stored matrix with its memory, every part of it at an odd address, and its values computed one by one.
final class StoredMatrixFixture {
    let matrix: StoredMatrix
    /// code × scale in float32, row-major.
    let values: [Float]
    /// For few-row products: the values of the codes without scale, and the scale of each element.
    private(set) var unscaled: [Float] = []
    private(set) var scales: [Float] = []
    private var allocations: [UnsafeMutableRawPointer] = []

    init(_ storage: TestStorage, rows: Int, columns: Int, seed: UInt64) {
        var numbers = TestNumbers(seed: seed)
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

    /// Whether few-row products multiply the codes and scale the sums: 4-bit codes in rows of whole 64s of one block.
    var isMultipliedUnscaled: Bool {
        guard case .table4(_, _, let blocks) = matrix.storage else { return false }
        return blocks.blockSize >= 64 && matrix.columns % 64 == 0
    }

    deinit { allocations.forEach { $0.deallocate() } }
}

/// Rounds to bfloat16, to nearest even.
func roundedToBFloat16(_ value: Float) -> Float {
    let bits = value.bitPattern
    return Float(bitPattern: (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000)
}

/// A matrix with its memory; rows `gap` elements apart from each other, the gaps holding a mark.
final class MatrixFixture {
    static let mark: Float = -12345.5
    let matrix: FloatMatrix
    private let memory: UnsafeMutablePointer<Float>

    init(rows: Int, columns: Int, gap: Int = 3, fill: (Int, Int) -> Float = { _, _ in MatrixFixture.mark }) {
        memory = .allocate(capacity: rows * (columns + gap) + 1)
        memory.update(repeating: Self.mark, count: rows * (columns + gap) + 1)
        matrix = FloatMatrix(base: memory + 1, rows: rows, columns: columns, stride: columns + gap)
        for row in 0..<rows { for column in 0..<columns { matrix.row(row)[column] = fill(row, column) } }
    }

    deinit { memory.deallocate() }

    /// The elements, row-major without gaps, as bits.
    var bits: [UInt32] {
        (0..<matrix.rows).flatMap { row in (0..<matrix.columns).map { matrix.row(row)[$0].bitPattern } }
    }

    /// Whether nothing wrote between the rows.
    var gapsAreIntact: Bool {
        (0..<matrix.rows).allSatisfy { row in
            (matrix.columns..<matrix.stride).allSatisfy {
                row * matrix.stride + $0 >= matrix.rows * matrix.stride - 1 || matrix.row(row)[$0] == Self.mark
            }
        }
    }
}

/// Scratch for products.
final class ScratchFixture {
    let buffer: UnsafeMutableRawBufferPointer

    init(_ context: ComputeContext, rows: Int, dimension: Int) {
        buffer = .allocate(
            byteCount: context.productScratchByteCount(rows: rows, dimension: dimension), alignment: 16)
        // Whatever was there before must not matter.
        buffer.bindMemory(to: Float.self).update(repeating: .nan)
    }

    deinit { buffer.deallocate() }
}
