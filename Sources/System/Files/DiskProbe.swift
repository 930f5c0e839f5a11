#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// How fast a disk takes what must survive a power cut.
public struct DiskProbe: Sendable {
    /// Bytes of the largest write.
    public let byteCount: Int
    /// Bytes a second of that write, with its `fsync`.
    public let bytesPerSecond: Double
    /// Seconds that a write of 4 KiB takes with its `fsync`: what every commit pays at least.
    public let commitSeconds: Double

    /// Free bytes below which a disk is left alone: twice what is written.
    public static let leastFreeByteCount = 2 * (rounds.reduce(0, +) + commitByteCount)

    private static let commitByteCount = 4096
    /// Each round is written and made durable; none begins when a second has passed.
    private static let rounds = [4 << 20, 16 << 20, 64 << 20]
    private static let longestSeconds = 1.0

    /// Writes bytes that do not compress to a file without a name in a directory; nothing is left of it, whatever
    /// happens. About a second at most, unless a single round takes longer.
    ///
    /// - Throws: `Failure`: 73 where this user cannot create files there, 74 for a full or failing disk.
    public init(directory: String) throws(Failure) {
        let path = FileSystem.join(directory, ".qlora-disk-probe.\(getpid())")
        let files = SystemFileOperations()
        let descriptor: Int32
        do throws(SystemError) {
            descriptor = try files.create(path)
        } catch { throw error.outputFailure("create a file in it", directory, neededByteCount: nil) }
        defer { files.close(descriptor) }
        let piece = Self.noise(1 << 20)
        defer { piece.deallocate() }
        var offset = 0
        let start = MonotonicClock.seconds
        do throws(SystemError) {
            try files.remove(path)
            commitSeconds = try Self.write(Self.commitByteCount, of: piece, to: descriptor, at: &offset)
            var last = (byteCount: 0, seconds: 0.0)
            for round in Self.rounds where last.byteCount == 0 || MonotonicClock.seconds - start < Self.longestSeconds {
                last = (round, try Self.write(round, of: piece, to: descriptor, at: &offset))
            }
            byteCount = last.byteCount
            bytesPerSecond = Double(last.byteCount) / max(last.seconds, 1e-9)
        } catch { throw error.outputFailure("write to it", directory, neededByteCount: Self.leastFreeByteCount) }
    }

    /// Appends bytes and makes them durable.
    ///
    /// - Returns: seconds.
    private static func write(
        _ byteCount: Int, of piece: UnsafeMutableRawBufferPointer, to descriptor: Int32, at offset: inout Int
    ) throws(SystemError) -> Double {
        let files = SystemFileOperations()
        let start = MonotonicClock.seconds
        let end = offset + byteCount
        while offset < end {
            let count = min(end - offset, piece.count)
            try files.write(
                descriptor, UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[..<count]), at: offset)
            offset += count
        }
        try files.synchronize(descriptor)
        return MonotonicClock.seconds - start
    }

    /// Bytes of a linear congruential generator (Knuth's constants for 64 bits): some disks compress.
    private static func noise(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
        var state: UInt64 = 1
        for offset in stride(from: 0, to: byteCount, by: 8) {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            buffer.storeBytes(of: state ^ state >> 29, toByteOffset: offset, as: UInt64.self)
        }
        return buffer
    }
}
