import AdapterStore
import Kernels
import System
import TestSupport
import Testing

@Suite struct RoundTripTests {
    let directory = TemporaryDirectory()

    @Test(arguments: InstructionSet.supported) func everythingComesBackToTheBit(_ set: InstructionSet) throws {
        let tensors = SampleTensors(seed: 7)
        tensors.add("every bit", .parameters, [3, 1001]) { _ in tensors.anyFinite() }
        tensors.add("zeros", .parameters, [100_000]) { _ in 0 }
        tensors.add("negative zeros", .firstMoment, [5000]) { _ in -0.0 }
        tensors.add("subnormal", .firstMoment, [77]) { Float(bitPattern: UInt32($0)) }
        tensors.add("nothing", .secondMoment, [4, 0]) { _ in 0 }
        tensors.add("a scalar", .secondMoment, []) { _ in 42 }
        tensors.add("brain floats", StreamRole(rawValue: "max_exp_avg_sq"), [70_001]) { _ in
            Float(bitPattern: tensors.normal().bitPattern & 0xFFFF_0000)
        }
        tensors.addNormal("large", .parameters, [3, 262_144])
        for size in [1, 15, 16, 17, 31, 33, 65_535, 65_536, 65_537] {
            tensors.addNormal("\(size)", .secondMoment, [size])
        }
        let path = directory.file("a.qckpt")
        let header = JSONObject([("step", .integer(3)), ("seed", .string("ü"))])
        let codec = testCodec(set)
        let summary = try CheckpointWriter.write(tensors.streams, header: header, to: path, codec: codec)
        let file = try CheckpointFile(path, codec: codec)
        try file.verify()
        #expect(try contents(file) == contents(tensors.streams))
        #expect(file.header["seed"]?.string == "ü")
        #expect(file.streams.map(\.shape) == tensors.streams.map(\.shape))
        #expect(file.streams.map(\.sha256) == summary.sha256)
        #expect(file.rawByteCount == summary.rawByteCount && file.byteCount == summary.byteCount)
        #expect(summary.byteCount <= CheckpointWriter.largestByteCount(tensors.streams, header: header))
        var targets: [String: UnsafeMutableBufferPointer<Float>] = [:]
        try file.readAll { stream in
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: stream.count)
            targets["\(stream.role.rawValue)/\(stream.name)"] = buffer
            return buffer
        }
        #expect(targets.mapValues { $0.map(\.bitPattern) } == contents(tensors.streams))
        for buffer in targets.values { buffer.deallocate() }
        #expect(try FileSystem.list(directory.path) == ["a.qckpt"])
    }
}
