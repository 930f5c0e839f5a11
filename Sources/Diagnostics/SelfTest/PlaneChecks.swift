internal import CIntrinsics
internal import Kernels

extension SelfTest {
    /// float32 as byte planes and back, to the bit.
    mutating func checkPlanes() {
        let count = 203
        let floats = SampleBuffer(SampleMatrix.random(1, count, seed: 17, range: 9).bits)
        let planes = SampleBuffer<UInt8>(repeating: 0xAA, count: 4 * count)
        let joined = SampleBuffer<UInt32>(repeating: 0, count: count)
        let table = context.kernels.planes
        let largest = table.split_rotated(floats.base, Int64(count), planes.base, Int64(count))
        table.join_rotated(
            planes.base, planes.base + count, planes.base + 2 * count, planes.base + 3 * count, Int64(count),
            joined.base)
        let rotated = floats.elements.map { $0 << 1 | $0 >> 31 }
        var wrong = Int(largest) == Int(rotated.reduce(0) { max($0, $1 >> 24) }) ? 0 : 1
        for (index, word) in rotated.enumerated() {
            for plane in 0..<4
            where planes.base[plane * count + index] != UInt8(truncatingIfNeeded: word >> (8 * plane)) {
                wrong += 1
            }
            if joined.base[index] != floats.base[index] { wrong += 1 }
        }
        record("byte planes", Double(wrong), within: Tolerance.exact)
    }
}
