internal import Glibc
internal import Kernels
package import System

/// What writing a file took.
package struct CheckpointSummary: Sendable {
    package let path: String
    /// Bytes of all tensors as float32.
    package let rawByteCount: Int
    /// Bytes of the planes in the file, without index and footer.
    package let codedByteCount: Int
    /// Size of the file.
    package let byteCount: Int
    /// Hashing, coding and writing until the data was handed to the system.
    package let encodingSeconds: Double
    /// From the first byte read to the durable name.
    package let seconds: Double
    /// SHA-256 of every stream, in the order given.
    package let sha256: [String]
}

/// Writes checkpoint files that are whole under their names or not there at all.
package enum CheckpointWriter {
    /// Encodes tensors, writes `.NAME.tmp.PID.N`, makes it durable, reads it back through a descriptor of its own,
    /// compares every tensor to the bit, renames it to its name and makes the name durable.
    ///
    /// The bytes of the file follow from streams, header and libzstd alone, not from threads or instruction set.
    ///
    /// - Parameters:
    ///   - streams: the tensors, in the order of the file; unchanged until this returns. Tensors of equal content are
    ///     stored once.
    ///   - header: anything, at most 12 levels deep; kept as it is.
    ///   - path: the file's name; an existing file is replaced.
    ///   - allowsNonFinite: whether values may be infinite or not a number; a state that is should not be kept.
    ///   - operations: the system calls to write with.
    /// - Throws: `Failure`: 65 values that are not finite, 73 or 74 as `AtomicFile`; the name then holds what it held.
    package static func write(
        _ streams: [CheckpointStream], header: JSONObject, to path: String, codec: CheckpointCodec,
        allowsNonFinite: Bool = false, operations: any FileOperations = SystemFileOperations()
    ) throws(Failure) -> CheckpointSummary {
        let start = MonotonicClock.seconds
        var keys = Set<[UInt8]>()
        for stream in streams where !keys.insert(Array("\(stream.role.rawValue)/\(stream.name)".utf8)).inserted {
            fatalError("the stream \(stream.name) is given twice in one role")
        }
        let digests = digests(of: streams, codec: codec)
        let copies = copies(streams, digests)
        let layout = StreamLayout(streams, copyOf: copies)

        let output = HashedOutput(file: try AtomicFile(path, operations: operations))
        try output.append(ContainerFrame.head)
        var index = CheckpointIndex(header: header, groups: [], streams: [])
        index.groups = try writePlanes(
            streams, layout, to: output, path: path, codec: codec, allowsNonFinite: allowsNonFinite)
        index.streams = entries(streams, layout, digests: digests, copies: copies)
        let codedByteCount = output.file.byteCount - ContainerFrame.headByteCount
        try writeEnd(index, to: output)
        let encoded = MonotonicClock.seconds

        try output.file.commit { (temporary) throws(Failure) in
            let written = try CheckpointFile(temporary, codec: codec, shownAs: path)
            try written.requireEqual(to: streams)
        }
        return CheckpointSummary(
            path: path, rawByteCount: streams.reduce(0) { $0 + $1.values.count * MemoryLayout<Float>.size },
            codedByteCount: codedByteCount, byteCount: output.file.byteCount, encodingSeconds: encoded - start,
            seconds: MonotonicClock.seconds - start, sha256: digests)
    }

    /// An upper bound of the size of a file in bytes, without encoding anything.
    package static func largestByteCount(_ streams: [CheckpointStream], header: JSONObject) -> Int {
        let raw = streams.reduce(0) { $0 + $1.values.count * MemoryLayout<Float>.size }
        let planes = 4 * (streams.count + raw / (StreamLayout.chunkLimit * 2) + 1)
        let index = streams.reduce(0) { $0 + 256 + $1.name.utf8.count } + 80 * planes
        return raw + index + JSONWriter.compact.bytes(.object(header)).count + 4096
    }

    private static func digests(of streams: [CheckpointStream], codec: CheckpointCodec) -> [String] {
        var digests = [String](repeating: "", count: streams.count)
        digests.withUnsafeMutableBufferPointer { digests in
            // Every task writes one digest of its own.
            nonisolated(unsafe) let digests = digests
            codec.pool.run(streams.count) { index in
                digests[index] = SHA256.hexadecimalDigest(of: UnsafeRawBufferPointer(streams[index].values))
            }
        }
        return digests
    }

    /// For each stream the first one of the same content, if it is an earlier one.
    private static func copies(_ streams: [CheckpointStream], _ digests: [String]) -> [Int?] {
        var first: [String: Int] = [:]
        return streams.indices.map { index in
            // The values decide, not the digest alone.
            if let original = first[digests[index]], streams[original].values.count == streams[index].values.count {
                guard let left = streams[original].values.baseAddress, let right = streams[index].values.baseAddress
                else { return original }
                return memoryIsEqual(left, right, streams[index].values.count) ? original : nil
            }
            first[digests[index]] = index
            return nil
        }
    }

    /// Bytes that the planes of tensors take, found by encoding them without writing anything.
    package static func codedByteCount(_ streams: [CheckpointStream], codec: CheckpointCodec) throws(Failure) -> Int {
        let layout = StreamLayout(streams, copyOf: streams.map { _ in nil })
        var byteCount = 0
        try encode(streams, layout, codec: codec) { (_, encoder) throws(Failure) in
            byteCount += encoder.planes.reduce(0) { $0 + $1.bytes.count }
        }
        return byteCount
    }

    private static func writePlanes(
        _ streams: [CheckpointStream], _ layout: StreamLayout, to output: HashedOutput, path: String,
        codec: CheckpointCodec, allowsNonFinite: Bool
    ) throws(Failure) -> [CheckpointIndex.Group] {
        var groups = layout.groups.map { group in
            CheckpointIndex.Group(
                role: group.role, transform: .rotatedPlanes, planes: [],
                chunkStarts: group.chunks.map(\.start) + [group.count])
        }
        try encode(streams, layout, codec: codec) { (group, encoder) throws(Failure) in
            if !allowsNonFinite, let stream = encoder.streamWithNonFinite {
                throw Failure(
                    .badData, "a value is infinite or not a number: such a state is not stored",
                    at: .init(file: path, tensor: streams[stream].name),
                    remedy: "Go back to the last checkpoint, with a smaller learning rate")
            }
            for plane in encoder.planes {
                groups[group].planes.append(
                    CheckpointIndex.Plane(
                        offset: output.file.byteCount, byteCount: plane.bytes.count,
                        rawByteCount: plane.rawByteCount, hash: plane.hash))
                try output.append(plane.bytes)
            }
        }
        return groups
    }

    /// Encodes all chunks, several at a time, and hands them over in the order of the file.
    private static func encode(
        _ streams: [CheckpointStream], _ layout: StreamLayout, codec: CheckpointCodec,
        _ take: (Int, ChunkEncoder) throws(Failure) -> Void
    ) throws(Failure) {
        let work = layout.groups.enumerated().flatMap { index, group in group.chunks.map { (group: index, chunk: $0) } }
        let encoders = (0..<min(codec.encoderCount, work.count)).map { _ in ChunkEncoder(kernels: codec.kernels) }
        var first = 0
        while first < work.count {
            let count = min(encoders.count, work.count - first)
            let items = work[first..<first + count]
            codec.pool.run(count) { slot in
                let item = items[items.startIndex + slot]
                encoders[slot].encode(item.chunk, of: layout.groups[item.group], streams)
            }
            for slot in 0..<count { try take(items[items.startIndex + slot].group, encoders[slot]) }
            first += count
        }
    }

    private static func entries(
        _ streams: [CheckpointStream], _ layout: StreamLayout, digests: [String], copies: [Int?]
    ) -> [CheckpointIndex.Stream] {
        var entries = streams.indices.map { index in
            CheckpointIndex.Stream(
                name: streams[index].name, role: streams[index].role, shape: streams[index].shape,
                count: streams[index].values.count, group: 0, start: 0, sha256: digests[index], copyOf: copies[index])
        }
        for (number, group) in layout.groups.enumerated() {
            for (member, start) in zip(group.members, group.starts) {
                entries[member].group = number
                entries[member].start = start
            }
        }
        return entries
    }

    /// Writes index and footer.
    private static func writeEnd(_ index: CheckpointIndex, to output: HashedOutput) throws(Failure) {
        let document = JSONWriter.compact.bytes(index.json)
        guard document.count <= ContainerFrame.indexLimit else {
            throw Failure(
                .unsupported, "the index of the checkpoint takes \(document.count) bytes",
                at: .init(file: output.file.path), remedy: "Store fewer tensors")
        }
        let compressor = ZstdCompressor()
        // Room for any content: 1/256 and the blocks' headers above it.
        let room = document.count + document.count / 256 + 1024
        let coded = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            document.withUnsafeBytes { document in
                guard
                    let size = ZstdFrames.compress(
                        document, into: UnsafeMutableRawBufferPointer(buffer), .level9, context: compressor)
                else { fatalError("an index of \(document.count) bytes does not fit \(room)") }
                count = size
            }
        }
        let footer = ContainerFrame.Footer(
            indexOffset: output.file.byteCount, indexCodedByteCount: coded.count, indexByteCount: document.count,
            indexHash: coded.withUnsafeBytes { XXH64.hash($0) })
        try output.append(coded)
        try output.append(footer.hashedBytes)
        let digest = output.digest.digest()
        let tail = ContainerFrame.tail(fileByteCount: output.file.byteCount + digest.count + 16)
        try output.append(digest + tail)
    }
}

/// A file that is hashed as it is written.
private final class HashedOutput {
    let file: AtomicFile
    private(set) var digest = SHA256()

    init(file: AtomicFile) { self.file = file }

    func append(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
        digest.update(bytes)
        try file.append(bytes)
    }

    func append(_ bytes: [UInt8]) throws(Failure) {
        digest.update(bytes)
        try file.append(bytes)
    }
}

/// Whether `count` floats are the same bits.
func memoryIsEqual(_ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ count: Int) -> Bool {
    memcmp(left, right, count * MemoryLayout<Float>.size) == 0
}
