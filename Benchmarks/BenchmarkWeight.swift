internal import Kernels
internal import Tensors

/// A random matrix of 4-bit codes with nested scales, as double-quantized NF4 is stored.
final class BenchmarkWeight {
    static let table: [Float] = [
        -1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0, 0.0795803, 0.1609302,
        0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
    ]

    let matrix: StoredMatrix
    /// Bytes that a product reads of it.
    let byteCount: Int
    private let memory: AlignedMemory
    private let codes: UnsafeMutablePointer<UInt8>
    private let scaleCodes: UnsafeMutablePointer<UInt8>
    private let map: UnsafeMutablePointer<Float>
    private let absmax: UnsafeMutablePointer<Float>
    private let offset: Float = 0.02

    init(outputs: Int, inputs: Int) {
        let count = outputs * inputs
        let blocks = (count + 63) / 64
        let groups = (blocks + 255) / 256
        let codeBytes = (count / 2 + 64) & ~63
        let scaleBytes = (blocks + 63) & ~63
        memory = AlignedMemory(byteCount: 64 + 1024 + codeBytes + scaleBytes + groups * 4)
        let table = memory.floats
        map = table + 16
        codes = (memory.base + 64 + 1024).assumingMemoryBound(to: UInt8.self)
        scaleCodes = codes + codeBytes
        absmax = UnsafeMutableRawPointer(scaleCodes + scaleBytes).assumingMemoryBound(to: Float.self)
        table.update(from: Self.table, count: 16)
        for index in 0..<256 { map[index] = Float(index - 127) / 128 }
        var state: UInt64 = 88_172_645_463_325_252
        for index in 0..<codeBytes {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            codes[index] = UInt8(truncatingIfNeeded: state >> 20)
        }
        for index in 0..<scaleBytes {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            scaleCodes[index] = UInt8(truncatingIfNeeded: state >> 20)
        }
        for index in 0..<groups { absmax[index] = 0.01 }
        byteCount = count / 2 + blocks + groups * 4
        matrix = StoredMatrix(
            rows: outputs, columns: inputs,
            storage: .table4(
                codes: codes, table: table,
                scales: BlockScales(
                    blockSize: 64, storage: .nested(codes: scaleCodes, map: map, absmax: absmax, offset: offset))))
    }

    /// code × scale of one element.
    func value(_ index: Int) -> Float {
        let code = index % 2 == 0 ? codes[index / 2] >> 4 : codes[index / 2] & 15
        let product = map[Int(scaleCodes[index / 64])] * absmax[index / 64 / 256]
        return Self.table[Int(code)] * (product + offset)
    }
}
