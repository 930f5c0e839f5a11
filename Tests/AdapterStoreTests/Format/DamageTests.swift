import AdapterStore
import Glibc
import System
import TestSupport
import Testing

/// Files that were whole and were damaged afterwards: rows 12 to 14 of the fault matrix. Every damage is seen, the file
/// is named, and a run goes on from the checkpoint before. `tools/faults/matrix` prints the counts of the full mode.
@Suite struct DamageTests {
    /// A newest checkpoint with an older one beside it.
    private final class Victim {
        let directory = TemporaryDirectory()
        let codec = testCodec(threads: 1)
        let folder: CheckpointFolder
        let path: String
        let bytes: [UInt8]
        private let expected: [String: [UInt32]]
        private let older: [String: [UInt32]]

        init(layers: Int = 2) throws {
            folder = CheckpointFolder(directory.file("checkpoints"), codec: codec)
            for step in [10, 20] {
                _ = try folder.save(
                    SampleTensors.adapter(seed: UInt64(step), layers: layers).streams, header: JSONObject(), step: step,
                    keep: nil)
            }
            path = try folder.list()[0].path
            bytes = try FileReader.read(path)
            expected = contents(SampleTensors.adapter(seed: 20, layers: layers).streams)
            older = contents(SampleTensors.adapter(seed: 10, layers: layers).streams)
        }

        /// Puts bytes into the file itself.
        func put(_ bytes: [UInt8]) { AdapterStoreTests.put(bytes, into: path) }

        /// Whether the file as it is now is refused by its name, with kind and offset.
        func isRefused() -> Bool {
            let found = failure { try CheckpointFile(path, codec: codec).verify() }
            return found?.kind == .badData && found?.place.file == path && found?.place.byteOffset != nil
        }

        /// Whether a run that starts now goes on from the older checkpoint; makes the file whole again.
        func recoversFromTheOlderOne() throws -> Bool {
            let found = try folder.newestValid()
            let recovers =
                try found?.rejected.map(\.0) == [path] && found.map { try contents($0.file) == older } ?? false
            try FileSystem.removeFile(path + CheckpointName.corruptSuffix)
            put(bytes)
            return recovers
        }

        /// Whether the file is what was saved.
        func isWhole() throws -> Bool { try contents(CheckpointFile(path, codec: codec)) == expected }
    }

    private static let flipCount = FullTests.areEnabled ? 10_000 : 500
    private static let recoveryCount = FullTests.areEnabled ? 200 : 20

    @Test func everyFlippedBitIsSeen() throws {
        let victim = try Victim()
        let count = victim.bytes.count
        let structure = Array(0..<16) + Array(ContainerBytes(victim.bytes).indexOffset..<count)
        var random = SplitMix64(state: 12)
        var missed: [(Int, Int)] = []
        let descriptor = open(victim.path, O_WRONLY)
        defer { close(descriptor) }
        func flip(_ offset: Int, _ bit: Int) {
            var changed = victim.bytes[offset] ^ (1 << UInt8(bit))
            guard pwrite(descriptor, &changed, 1, offset) == 1 else { fatalError("\(victim.path) cannot be written") }
            if !victim.isRefused() { missed.append((offset, bit)) }
            changed = victim.bytes[offset]
            guard pwrite(descriptor, &changed, 1, offset) == 1 else { fatalError("\(victim.path) cannot be written") }
        }
        for _ in 0..<Self.flipCount { flip(Int(random.next() % UInt64(count)), Int(random.next() % 8)) }
        // By default a seventh of the bits of head, index and footer, every byte among them.
        var structureCount = 0
        for (place, offset) in structure.enumerated() {
            for bit in 0..<8 where FullTests.areEnabled || (place + bit) % 7 == 0 || bit == place % 8 {
                flip(offset, bit)
                structureCount += 1
            }
        }
        #expect(missed.isEmpty)
        #expect(try victim.isWhole())
        var recovered = 0
        for _ in 0..<Self.recoveryCount {
            var bytes = victim.bytes
            bytes[Int(random.next() % UInt64(count))] ^= 1 << UInt8(random.next() % 8)
            victim.put(bytes)
            if try victim.recoversFromTheOlderOne() { recovered += 1 }
        }
        #expect(recovered == Self.recoveryCount)
        print(
            "row 12: \(Self.flipCount) random bits and \(structureCount) of head, index and footer flipped, "
                + "\(missed.count) missed; \(recovered) of \(Self.recoveryCount) recoveries from the older file")
    }

    @Test func everyTruncationIsSeen() throws {
        let victim = try Victim()
        let count = victim.bytes.count
        var random = SplitMix64(state: 13)
        let step = FullTests.areEnabled ? 1 : 16
        var lengths = Array(stride(from: 0, through: 4096, by: step)) + [count - 1]
        lengths += (0..<(FullTests.areEnabled ? 1000 : 50)).map { _ in Int(random.next() % UInt64(count)) }
        var missed = 0
        for length in lengths where length < count {
            victim.put(Array(victim.bytes.prefix(length)))
            if !victim.isRefused() { missed += 1 }
        }
        #expect(missed == 0)
        victim.put(Array(victim.bytes.prefix(count / 2)))
        #expect(try victim.recoversFromTheOlderOne())
        #expect(try victim.isWhole())
        print("row 13: \(lengths.count) truncations, \(missed) missed")
    }

    @Test func everyRearrangementIsSeen() throws {
        let victim = try Victim(layers: 12)
        let count = victim.bytes.count
        var random = SplitMix64(state: 14)
        let repetitions = FullTests.areEnabled ? 100 : 10
        var missed: [String] = []
        var total = 0
        func check(_ name: String, _ bytes: [UInt8]) {
            guard bytes != victim.bytes else { return }
            total += 1
            victim.put(bytes)
            if !victim.isRefused() { missed.append(name) }
        }
        func place(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
        let planes = try ContainerBytes(victim.bytes).planes()
        #expect(planes.count > 8)
        for _ in 0..<repetitions {
            let extra = (0..<1 + place(5000)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            check("appended bytes", victim.bytes + extra)
            check("appended zeros", victim.bytes + [UInt8](repeating: 0, count: 1 + place(5000)))

            let first = planes[place(planes.count)], second = planes[place(planes.count)]
            if first.upperBound <= second.lowerBound {
                var swapped = Array(victim.bytes[..<first.lowerBound])
                for range in [second, first.upperBound..<second.lowerBound, first, second.upperBound..<count] {
                    swapped += victim.bytes[range]
                }
                check("swapped planes", swapped)
                // With the file's own SHA-256 made right, as a careless repair tool would.
                check("swapped and sealed planes", ContainerBytes(swapped).sealed())
            }

            let block = 512 << place(4)
            if block < count {
                let source = place(count - block), target = place(count - block)
                var copied = victim.bytes
                copied.replaceSubrange(target..<target + block, with: victim.bytes[source..<source + block])
                check("a block in another's place", copied)
                var changed = victim.bytes
                changed.insert(contentsOf: victim.bytes[source..<source + block], at: source)
                check("a block twice", changed)
                changed = victim.bytes
                changed.removeSubrange(source..<source + block)
                check("a block missing", changed)
            }
            let zeroed = place(count / 4096 + 1) * 4096
            check(
                "a zeroed block",
                victim.bytes.replacing(zeroed, with: [UInt8](repeating: 0, count: min(4096, count - zeroed))))
            check(
                "zeros from a block on", Array(victim.bytes[..<zeroed]) + [UInt8](repeating: 0, count: count - zeroed))
        }
        #expect(missed.isEmpty)
        victim.put(victim.bytes)
        #expect(try victim.isWhole())

        // The files of two steps under each other's names: both are refused, and both are kept.
        let entries = try victim.folder.list()
        let swap = victim.directory.file("swap")
        try FileSystem.rename(entries[0].path, to: swap)
        try FileSystem.rename(entries[1].path, to: entries[0].path)
        try FileSystem.rename(swap, to: entries[1].path)
        let found = failure { _ = try victim.folder.newestValid() }
        #expect(found?.what.contains("none of the 2 checkpoints is whole") == true)
        #expect(try FileSystem.list(victim.folder.path).count == 2)
        print("row 14: \(total) rearrangements and 1 pair of swapped files, \(missed.count) missed")
    }
}
