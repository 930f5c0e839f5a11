import CIntrinsics
import Kernels
import TestSupport
import Testing

/// The byte-plane transform of every instruction set, against its definition.
@Suite struct PlaneTests {
    @Test(arguments: InstructionSet.supported) func planesHoldTheBytesOfRotatedFloats(_ set: InstructionSet) {
        let kernels = KernelTable(set).planes
        var state: UInt32 = 1
        for count in [0, 1, 2, 15, 16, 17, 32, 47, 1000] {
            for shift in [0, 1, 3] {
                let words = (0..<count).map { _ in
                    state = state &* 1_664_525 &+ 1_013_904_223
                    return state ^ state >> 16
                }
                // One byte more on every side, which must stay as it is.
                let stride = count + 2
                var planes = [UInt8](repeating: 0xA5, count: 4 * stride)
                var bytes = [UInt8](repeating: 0, count: shift)
                for word in words { bytes += (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
                var largest: Int32 = 0
                bytes.withUnsafeBytes { source in
                    planes.withUnsafeMutableBufferPointer { planes in
                        largest = kernels.split_rotated(
                            source.baseAddress! + shift, Int64(count), planes.baseAddress! + 1, Int64(stride))
                    }
                }
                let rotated = words.map { $0 << 1 | $0 >> 31 }
                for plane in 0..<4 {
                    let found = planes[plane * stride..<(plane + 1) * stride]
                    #expect(found.first == 0xA5 && found.last == 0xA5)
                    #expect(
                        found.dropFirst().dropLast().elementsEqual(
                            rotated.map { UInt8(truncatingIfNeeded: $0 >> (8 * plane)) }))
                }
                #expect(largest == Int32(rotated.map { $0 >> 24 }.max() ?? 0))
                var joined = [UInt8](repeating: 0x5A, count: 4 * count + shift + 1)
                planes.withUnsafeBufferPointer { planes in
                    joined.withUnsafeMutableBytes { joined in
                        let base = planes.baseAddress! + 1
                        kernels.join_rotated(
                            base, base + stride, base + 2 * stride, base + 3 * stride, Int64(count),
                            joined.baseAddress! + shift)
                    }
                }
                #expect(joined.dropFirst(shift).dropLast().elementsEqual(bytes.dropFirst(shift)))
                #expect(joined.prefix(shift).allSatisfy { $0 == 0x5A } && joined.last == 0x5A)
            }
        }
    }

    @Test(arguments: InstructionSet.supported) func theLargestByteShowsWhatIsNotFinite(_ set: InstructionSet) {
        let kernels = KernelTable(set).planes
        for bad in [Float.infinity, -.infinity, .nan, .greatestFiniteMagnitude] {
            for place in 0..<20 {
                var floats = [Float](repeating: 1, count: 20)
                floats[place] = bad
                var planes = [UInt8](repeating: 0, count: 80)
                #expect((kernels.split_rotated(&floats, 20, &planes, 20) == 255) == !bad.isFinite)
            }
        }
    }
}
