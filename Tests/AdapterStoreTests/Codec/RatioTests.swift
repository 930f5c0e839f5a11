import AdapterStore
import Kernels
import System
import TestSupport
import Testing

/// What is stored takes the room it should, whatever the tensors' sizes, and the same bytes whatever computes it.
@Suite struct RatioTests {
    let directory = TemporaryDirectory()

    private func write(_ tensors: SampleTensors, _ codec: CheckpointCodec) throws -> CheckpointSummary {
        try CheckpointWriter.write(
            tensors.streams, header: JSONObject(), to: directory.file("a.qckpt"), codec: codec)
    }

    /// Normal weights: sign, exponent and seven mantissa bits carry 10.3 to 10.5 of 16 bits, so that no lossless code
    /// gets far beyond 32 / 26.4 = 1.21.
    @Test func weightsComeCloseToTheirEntropy() throws {
        let tensors = SampleTensors(seed: 1)
        tensors.addNormal("w", .parameters, [1 << 20])
        let summary = try write(tensors, testCodec())
        let ratio = Double(summary.rawByteCount) / Double(summary.codedByteCount)
        #expect(ratio > 1.19 && ratio < 1.22)
    }

    @Test func tinyTensorsDoNotSpoilTheRatio() throws {
        let large = SampleTensors(seed: 2), small = SampleTensors(seed: 2)
        large.addNormal("w", .parameters, [1 << 17])
        for index in 0..<512 { small.addNormal("w\(index)", .parameters, [256]) }
        let whole = try write(large, testCodec()), pieces = try write(small, testCodec())
        let difference =
            Double(pieces.codedByteCount) / Double(pieces.rawByteCount) * Double(whole.rawByteCount)
            / Double(whole.codedByteCount)
        #expect(difference < 1.01, "small tensors take \(difference) times the room of large ones")
    }

    @Test func constantTensorsTakeNoRoom() throws {
        let tensors = SampleTensors(seed: 3)
        for index in 0..<8 { tensors.add("zero \(index)", .parameters, [1000 + index]) { _ in 0 } }
        tensors.add("one", .secondMoment, [300_000]) { _ in 1.1 }
        #expect(try write(tensors, testCodec()).codedByteCount < 1000)
    }

    @Test func equalTensorsAreStoredOnce() throws {
        let tensors = SampleTensors(seed: 4)
        let values = (0..<50_000).map { _ in tensors.normal() }
        tensors.add("a", .parameters, [50_000]) { values[$0] }
        let once = try write(tensors, testCodec()).codedByteCount
        tensors.add("b", .parameters, [500, 100]) { values[$0] }
        tensors.add("a", .firstMoment, [50_000]) { values[$0] }
        #expect(try write(tensors, testCodec()).codedByteCount == once)
        let file = try CheckpointFile(directory.file("a.qckpt"), codec: testCodec())
        #expect(file.streams.map(\.copyOf) == [nil, 0, 0])
        #expect(file.streams.map(\.codedByteCount) == [once, 0, 0])
        #expect(try contents(file) == contents(tensors.streams))
        try file.verify()
    }

    @Test func bytesDependOnNeitherThreadsNorInstructionSet() throws {
        let tensors = SampleTensors.adapter(seed: 5, layers: 8, width: 512, rank: 16)
        tensors.addNormal("large", .parameters, [700_000])
        _ = try write(tensors, testCodec(threads: 1, .portable))
        let expected = try FileReader.read(directory.file("a.qckpt"))
        for set in InstructionSet.supported {
            for threads in [1, 2, 5] {
                _ = try write(tensors, testCodec(threads: threads, set))
                #expect(try FileReader.read(directory.file("a.qckpt")) == expected, "\(set), \(threads) threads")
            }
        }
    }

    @Test func valuesThatAreNoNumbersAreRefused() throws {
        for bad in [Float.nan, .infinity, -.infinity, Float(bitPattern: 0xFFC0_0001)] {
            let tensors = SampleTensors(seed: 6)
            tensors.addNormal("good", .parameters, [100])
            tensors.add("bad", .parameters, [100]) { $0 == 63 ? bad : 1 }
            let found = failure { _ = try write(tensors, testCodec()) }
            #expect(found?.kind == .badData)
            #expect(found?.place.tensor == "bad")
            #expect(try FileSystem.list(directory.path).isEmpty)
            _ = try CheckpointWriter.write(
                tensors.streams, header: JSONObject(), to: directory.file("b"), codec: testCodec(),
                allowsNonFinite: true)
            #expect(
                try contents(CheckpointFile(directory.file("b"), codec: testCodec())) == contents(tensors.streams))
            try FileSystem.removeFile(directory.file("b"))
        }
    }

    /// A run of 64 KiB literals between repetitions of one distance, over and over: the shape that upstream's block
    /// splitter lost track of at the levels above ours (zstd issue 3517).
    @Test func theInputsOfTheBlockSplitterDefectRoundTrip() throws {
        for seed in 0..<4 as Range<UInt64> {
            var random = SplitMix64(state: seed)
            var bytes: [UInt8] = []
            while bytes.count < 1 << 18 {
                let pattern = (0..<(64 + Int(random.next() % 64))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                for _ in 0..<200 { bytes += pattern }
                // Exactly 64 KiB of literals, one more and one less.
                let literals = (1 << 16) - 1 + Int(random.next() % 3)
                for _ in 0..<literals { bytes.append(UInt8(truncatingIfNeeded: random.next() % 250)) }
                bytes += pattern
            }
            bytes = Array(bytes.prefix(1 << 18))
            // As the exponent plane, and so through every kind of coding.
            for role in [StreamRole.parameters, .secondMoment, StreamRole(rawValue: "other")] {
                let tensors = SampleTensors(seed: seed)
                tensors.add("t", role, [bytes.count]) { index in
                    let rotated = UInt32(bytes[index] & 0xFE) << 24 | UInt32(bytes[index]) << 16
                    return Float(bitPattern: rotated >> 1 | rotated << 31)
                }
                _ = try write(tensors, testCodec())
                let file = try CheckpointFile(directory.file("a.qckpt"), codec: testCodec())
                #expect(try contents(file) == contents(tensors.streams))
            }
        }
    }
}
