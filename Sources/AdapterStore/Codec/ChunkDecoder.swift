internal import CIntrinsics
internal import Kernels
internal import System

/// Decodes chunks of one file and keeps the last one, so that small tensors of one chunk cost one decoding.
final class ChunkDecoder {
    private let file: MappedFile
    private let index: CheckpointIndex
    private let kernels: KernelTable
    private let decompressor = ZstdDecompressor()
    private let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 4 * StreamLayout.chunkLimit, alignment: 64)
    /// The chunk whose planes are at hand.
    private var current: (group: Int, chunk: Int)?
    private var planes: [UnsafePointer<UInt8>] = []

    /// Memory of one decoder in bytes, the decompression context included.
    static let byteCount = 4 * StreamLayout.chunkLimit + (256 << 10)

    init(file: MappedFile, index: CheckpointIndex, kernels: KernelTable) {
        self.file = file
        self.index = index
        self.kernels = kernels
    }

    deinit {
        releaseCurrent()
        memory.deallocate()
    }

    /// Decodes a stream piece by piece.
    ///
    /// - Parameters:
    ///   - place: where the elements of a piece, numbered in the stream, are to be written: room for exactly them.
    ///   - consume: called after each piece was written.
    /// - Throws: `badData` with the offset of the plane that is damaged.
    func decode(
        _ stream: CheckpointIndex.Stream, to place: (Range<Int>) -> UnsafeMutablePointer<Float>,
        consume: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        let group = index.groups[stream.group]
        let end = stream.start + stream.count
        var chunk = max(0, group.chunkStarts.partitioningIndex { $0 > stream.start } - 1)
        while chunk < group.chunkCount, group.chunkStarts[chunk] < end {
            let chunkStart = group.chunkStarts[chunk]
            let lower = max(chunkStart, stream.start), upper = min(group.chunkStarts[chunk + 1], end)
            if lower < upper {
                try load(chunk, of: stream.group, tensor: stream.name)
                let elements = lower - stream.start..<upper - stream.start
                let skip = lower - chunkStart
                kernels.planes.join_rotated(
                    planes[0] + skip, planes[1] + skip, planes[2] + skip, planes[3] + skip, Int64(upper - lower),
                    place(elements))
                try consume(elements)
            }
            chunk += 1
        }
    }

    /// Brings the planes of a chunk at hand.
    private func load(_ chunk: Int, of groupIndex: Int, tensor: String) throws(Failure) {
        if let current, current == (groupIndex, chunk) { return }
        releaseCurrent()
        planes.removeAll(keepingCapacity: true)
        guard let base = memory.baseAddress, let start = file.bytes.baseAddress else {
            fatalError("a decoder without memory")
        }
        for number in 0..<4 {
            let plane = index.groups[groupIndex].planes[4 * chunk + number]
            let coded = UnsafeRawBufferPointer(start: start + plane.offset, count: plane.byteCount)
            func damaged(_ what: String) -> Failure {
                Failure(
                    .badData, what, at: .init(file: file.path, tensor: tensor, byteOffset: plane.offset),
                    remedy: CheckpointFile.remedy)
            }
            guard XXH64.hash(coded) == plane.hash else { throw damaged("a plane is damaged: its hash is another") }
            if plane.isRaw {
                planes.append((start + plane.offset).assumingMemoryBound(to: UInt8.self))
                continue
            }
            let room = UnsafeMutableRawBufferPointer(
                start: base + number * StreamLayout.chunkLimit, count: plane.rawByteCount)
            if let objection = ZstdFrames.decode(coded, into: room, context: decompressor) { throw damaged(objection) }
            planes.append(UnsafePointer((base + number * StreamLayout.chunkLimit).assumingMemoryBound(to: UInt8.self)))
        }
        current = (groupIndex, chunk)
    }

    /// Lets go of the chunk at hand, and of its pages of the mapped file: they would count as memory of the process.
    private func releaseCurrent() {
        guard let (group, chunk) = current else { return }
        current = nil
        let planes = index.groups[group].planes[4 * chunk..<4 * chunk + 4]
        guard let first = planes.first, let last = planes.last else { return }
        file.release(first.offset..<last.offset + last.byteCount)
    }
}
