internal import CIntrinsics
internal import Kernels
internal import System

/// One coded plane: raw bytes where coding saved less than 3 %.
struct CodedPlane {
    let bytes: UnsafeRawBufferPointer
    let rawByteCount: Int
    /// XXH64 of `bytes`.
    let hash: UInt64
}

/// Encodes one chunk after another: gathers floats of neighbouring tensors, splits them into byte planes, compresses
/// each plane by itself. What it writes depends on the floats and on libzstd alone.
final class ChunkEncoder: @unchecked Sendable {
    // Unchecked: used by one task at a time.

    /// The planes of the chunk encoded last, valid until the next.
    private(set) var planes: [CodedPlane] = []
    /// The first stream of that chunk with a value that is infinite or not a number.
    private(set) var streamWithNonFinite: Int?

    private let kernels: KernelTable
    private let compressor = ZstdCompressor()
    /// Split planes, then coded ones.
    private let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 2 * 4 * StreamLayout.chunkLimit, alignment: 64)

    /// Memory of one encoder in bytes, the compression context included.
    static let byteCount = 2 * 4 * StreamLayout.chunkLimit + (1 << 20)

    init(kernels: KernelTable) { self.kernels = kernels }

    deinit { memory.deallocate() }

    /// Encodes `count` elements of a group, whose tensors are `streams`.
    func encode(_ chunk: StreamLayout.Chunk, of group: StreamLayout.Group, _ streams: [CheckpointStream]) {
        let count = chunk.count
        guard count > 0, count <= StreamLayout.chunkLimit, let base = memory.baseAddress else {
            fatalError("a chunk of \(count) elements")
        }
        let split = base.assumingMemoryBound(to: UInt8.self)
        streamWithNonFinite = nil
        group.forEachPiece(of: chunk) { member, elements, position in
            guard let values = streams[member].values.baseAddress else { return }
            let largest = kernels.planes.split_rotated(
                values + elements.lowerBound, Int64(elements.count), split + position, Int64(count))
            if largest == 255, streamWithNonFinite == nil { streamWithNonFinite = member }
        }
        planes = (0..<4).map { plane in
            let raw = UnsafeRawBufferPointer(start: base + plane * count, count: count)
            let room = UnsafeMutableRawBufferPointer(
                start: base + (4 + plane) * count, count: Self.roomForCoded(count))
            let coded = code(raw, plane: plane, role: group.role, into: room)
            return CodedPlane(bytes: coded, rawByteCount: count, hash: XXH64.hash(coded))
        }
    }

    /// Coded planes are kept where they take at most this many bytes: less than 0.97 of the raw ones.
    private static func roomForCoded(_ count: Int) -> Int { count * 97 / 100 }

    private func code(
        _ raw: UnsafeRawBufferPointer, plane: Int, role: StreamRole, into room: UnsafeMutableRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        // The two lowest bytes of a mantissa are noise, except where tensors are constant or come from shorter floats.
        if plane < 2, Self.looksRandom(raw) { return raw }
        switch role {
        case .parameters, .firstMoment: return compress(raw, into: room, .entropyOnly) ?? raw
        case .secondMoment: return compress(raw, into: room, .level1) ?? raw
        default:
            // A state nobody measured: the better of both.
            let entropyCount = compress(raw, into: room, .entropyOnly)?.count ?? Int.max
            if let coded = compress(raw, into: room, .level1), coded.count <= entropyCount { return coded }
            return compress(raw, into: room, .entropyOnly) ?? raw
        }
    }

    private func compress(
        _ raw: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer, _ parameters: ZstdParameters
    ) -> UnsafeRawBufferPointer? {
        ZstdFrames.compress(raw, into: room, parameters, context: compressor)
            .map { UnsafeRawBufferPointer(start: room.baseAddress, count: $0) }
    }

    /// Whether coding cannot pay: the collision entropy of 4096 bytes, evenly spaced, is within a third of a bit of 8.
    /// Too few bytes say nothing and count as not random.
    static func looksRandom(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let sampleCount = 4096
        guard bytes.count >= sampleCount else { return false }
        let stride = bytes.count / sampleCount
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 256) { counts in
            counts.initialize(repeating: 0)
            for index in 0..<sampleCount { counts[Int(bytes[index &* stride])] &+= 1 }
            // Even bytes give n + n²/256 = 69,616 on average, with a standard deviation of 360.
            let squares = counts.reduce(into: 0) { $0 += Int($1) * Int($1) }
            return squares < 87_000
        }
    }
}
