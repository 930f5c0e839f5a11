internal import Kernels
package import System

/// A checkpoint file that is open for reading: nothing in it is believed before it was checked.
///
/// Opening reads the whole file once (its SHA-256); tensors are then decoded one by one.
package final class CheckpointFile {
    package let path: String
    /// What the writer put in beside the tensors.
    package var header: JSONObject { index.header }
    /// Every tensor, in the order of writing.
    package let streams: [StreamDescription]
    /// Size of the file.
    package var byteCount: Int { file.byteCount }
    /// Bytes of all tensors as float32, copies counted.
    package let rawByteCount: Int
    /// SHA-256 of the whole file, in lower-case hexadecimal; reads it once more.
    package var sha256: String { SHA256.hexadecimalDigest(of: file.bytes) }

    static let remedy = "Use an older checkpoint, or copy this one again"

    private let file: MappedFile
    private let index: CheckpointIndex
    private let codec: CheckpointCodec
    private let decoder: ChunkDecoder
    /// Index of a stream by role and name.
    private let places: [Key: Int]

    private struct Key: Hashable {
        let role: StreamRole
        /// Bytes, because equality of strings is that of canonically equivalent ones.
        let name: [UInt8]

        init(_ name: String, _ role: StreamRole) {
            self.role = role
            self.name = Array(name.utf8)
        }
    }

    /// Opens a file and checks magic, footer, the hash of the index, the SHA-256 of the file, and the index.
    ///
    /// - Parameters:
    ///   - path: the file; a link is followed.
    ///   - shownAs: the path for messages, where the user knows the file by another one.
    ///   - rawByteLimit: the most bytes of tensors that are accepted.
    /// - Throws: `Failure` with the byte offset: 66 missing, 65 damaged or too large, 69 of another version, 74
    ///   unreadable.
    package init(
        _ path: String, codec: CheckpointCodec, shownAs: String? = nil, rawByteLimit: Int = 1 << 40
    ) throws(Failure) {
        let file = try MappedFile(path, shownAs: shownAs)
        file.readAhead()
        let footer: ContainerFrame.Footer, index: CheckpointIndex
        do throws(Failure) {
            footer = try ContainerFrame.checkedFooter(of: file)
            index = try Self.readIndex(of: file, footer)
        } catch {
            // A file that changes under the reader is named as such.
            try file.throwIfChanged()
            throw error
        }
        try file.throwIfChanged()
        self.path = file.path
        self.file = file
        self.index = index
        self.codec = codec
        decoder = ChunkDecoder(file: file, index: index, kernels: codec.kernels)
        var rawByteCount = 0
        for stream in index.streams { rawByteCount += stream.count * MemoryLayout<Float>.size }
        guard rawByteCount <= rawByteLimit else {
            throw Failure(
                .badData, "the tensors take \(rawByteCount) bytes, more than the \(rawByteLimit) accepted",
                at: .init(file: file.path, byteOffset: footer.indexOffset), remedy: Self.remedy)
        }
        self.rawByteCount = rawByteCount
        streams = index.streams.map { stream in Self.description(stream, index.groups[stream.group]) }
        places = Dictionary(
            uniqueKeysWithValues: index.streams.enumerated().map { (Key($1.name, $1.role), $0) })
    }

    private static func readIndex(
        of file: MappedFile, _ footer: ContainerFrame.Footer
    ) throws(Failure) -> CheckpointIndex {
        let end = footer.indexOffset + footer.indexCodedByteCount
        let coded = UnsafeRawBufferPointer(rebasing: file.bytes[footer.indexOffset..<end])
        if let objection = ZstdFrames.objection(to: coded, contentByteCount: footer.indexByteCount) {
            throw Failure(
                .badData, "the index: \(objection)", at: .init(file: file.path, byteOffset: footer.indexOffset),
                remedy: remedy)
        }
        var objection: String?
        let document = [UInt8](unsafeUninitializedCapacity: footer.indexByteCount) { buffer, count in
            let room = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: footer.indexByteCount)
            objection = ZstdFrames.decode(coded, into: room, context: ZstdDecompressor())
            count = objection == nil ? footer.indexByteCount : 0
        }
        if let objection {
            throw Failure(
                .badData, "the index: \(objection)", at: .init(file: file.path, byteOffset: footer.indexOffset),
                remedy: remedy)
        }
        return try IndexReader.read(document, file: file.path, indexOffset: footer.indexOffset)
    }

    private static func description(
        _ stream: CheckpointIndex.Stream, _ group: CheckpointIndex.Group
    ) -> StreamDescription {
        let share = group.count > 0 ? Double(stream.count) / Double(group.count) : 0
        return StreamDescription(
            name: stream.name, role: stream.role, shape: stream.shape, count: stream.count,
            transform: group.transform,
            codedByteCount: stream.copyOf == nil ? Int((Double(group.codedByteCount) * share).rounded()) : 0,
            sha256: stream.sha256, copyOf: stream.copyOf)
    }

    /// Whether a path names a file that is meant to be a checkpoint: by its name, or by its first bytes.
    package static func isCheckpoint(_ path: String) -> Bool {
        guard FileSystem.isRegularFile(path) else { return false }
        if path.hasSuffix(CheckpointName.suffix) || path.hasSuffix(CheckpointName.suffix + CheckpointName.corruptSuffix)
        {
            return true
        }
        guard let file = try? MappedFile(path) else { return false }
        return file.bytes.prefix(ContainerFrame.magic.count).elementsEqual(ContainerFrame.magic)
    }

    // MARK: - Reading

    /// A tensor of the file; nil where there is none of this name and role.
    package func stream(_ name: String, _ role: StreamRole) -> StreamDescription? {
        places[Key(name, role)].map { streams[$0] }
    }

    /// Decodes one tensor and checks its SHA-256. The memory is filled with NaN first: what is not read is seen.
    ///
    /// - Throws: `badData` where the tensor is missing, has another number of elements, or is damaged; then every
    ///   element is NaN.
    package func read(
        _ name: String, _ role: StreamRole, into destination: UnsafeMutableBufferPointer<Float>
    ) throws(Failure) {
        destination.update(repeating: .nan)
        guard let place = places[Key(name, role)] else {
            throw Failure(
                .badData, "the checkpoint has no tensor of this name in the role \"\(role.rawValue)\"",
                at: .init(file: path, tensor: name), remedy: "Resume with the options of the run that wrote it")
        }
        do throws(Failure) {
            try read(place, with: decoder, into: destination)
            try file.throwIfChanged()
        } catch {
            destination.update(repeating: .nan)
            throw error
        }
    }

    /// Decodes all tensors on all threads, as `read` does each.
    ///
    /// - Parameter destination: memory for a tensor, of its number of elements, disjoint from that of the others; nil
    ///   leaves the tensor out.
    package func readAll(
        into destination: (StreamDescription) -> UnsafeMutableBufferPointer<Float>?
    ) throws(Failure) {
        let targets = streams.map(destination)
        for target in targets { target?.update(repeating: .nan) }
        do throws(Failure) {
            try forEachGroup { [self] place, decoder throws(Failure) in
                if let target = targets[place] { try read(place, with: decoder, into: target) }
            }
        } catch {
            for target in targets { target?.update(repeating: .nan) }
            throw error
        }
    }

    /// Decodes everything and checks every SHA-256, on all threads.
    ///
    /// - Parameter digests: whether the SHA-256 of tensors are checked, which takes as long as the rest; hashes of
    ///   planes and checksums of frames are in any case.
    /// - Throws: `badData` with the first tensor that is damaged.
    package func verify(digests: Bool = true) throws(Failure) {
        try forEachGroup { [self] place, decoder throws(Failure) in
            let piece = UnsafeMutablePointer<Float>.allocate(capacity: StreamLayout.chunkLimit)
            defer { piece.deallocate() }
            let stream = index.streams[place]
            var digest = SHA256()
            try decoder.decode(stream, to: { _ in piece }) { elements in
                guard digests else { return }
                digest.update(UnsafeRawBufferPointer(start: piece, count: elements.count * MemoryLayout<Float>.size))
            }
            if digests { try requireDigest(digest, of: stream) }
        }
    }

    /// Decodes everything and compares it with what was to be stored, to the bit.
    ///
    /// - Throws: `inputOutput` with the first tensor that differs.
    func requireEqual(to originals: [CheckpointStream]) throws(Failure) {
        guard originals.count == index.streams.count else { throw differs(nil) }
        try forEachGroup { [self] place, decoder throws(Failure) in
            let piece = UnsafeMutablePointer<Float>.allocate(capacity: StreamLayout.chunkLimit)
            defer { piece.deallocate() }
            let stream = index.streams[place], original = originals[place]
            guard stream.name == original.name, stream.role == original.role, stream.shape == original.shape else {
                throw differs(stream.name)
            }
            try decoder.decode(stream, to: { _ in piece }) { elements throws(Failure) in
                guard let values = original.values.baseAddress,
                    memoryIsEqual(piece, values + elements.lowerBound, elements.count)
                else { throw differs(stream.name) }
            }
        }
    }

    private func differs(_ tensor: String?) -> Failure {
        Failure(
            .inputOutput, "what was written reads back as something else", at: .init(file: path, tensor: tensor),
            remedy: "Check the memory and the disk of this machine")
    }

    private func read(
        _ place: Int, with decoder: ChunkDecoder, into destination: UnsafeMutableBufferPointer<Float>
    ) throws(Failure) {
        let stream = index.streams[place]
        guard destination.count == stream.count else {
            throw Failure(
                .badData,
                "the tensor has shape \(stream.shape), where one of \(destination.count) elements is expected",
                at: .init(file: path, tensor: stream.name), remedy: "Resume with the options of the run that wrote it")
        }
        if let base = destination.baseAddress {
            try decoder.decode(stream, to: { base + $0.lowerBound }) { _ in }
        }
        var digest = SHA256()
        digest.update(UnsafeRawBufferPointer(destination))
        try requireDigest(digest, of: stream)
    }

    private func requireDigest(_ digest: SHA256, of stream: CheckpointIndex.Stream) throws(Failure) {
        guard digest.hexadecimalDigest() == stream.sha256 else {
            throw Failure(
                .badData, "the tensor is damaged: its SHA-256 is another",
                at: .init(
                    file: path, tensor: stream.name,
                    byteOffset: index.groups[stream.group].planes.first?.offset ?? ContainerFrame.headByteCount),
                remedy: Self.remedy)
        }
    }

    /// Calls `body` for every stream, groups on all threads, the streams of one group in order with one decoder.
    private func forEachGroup(
        _ body: (Int, ChunkDecoder) throws(Failure) -> Void
    ) throws(Failure) {
        var members = [[Int]](repeating: [], count: index.groups.count)
        for (place, stream) in index.streams.enumerated() { members[stream.group].append(place) }
        var failures = [Failure?](repeating: nil, count: members.count)
        withoutActuallyEscaping(body) { body in
            failures.withUnsafeMutableBufferPointer { failures in
                // Every task has its group and its place among the failures to itself.
                nonisolated(unsafe) let job = (self, members, failures, body)
                codec.pool.run(members.count) { group in
                    let (owner, members, failures, body) = job
                    let decoder = ChunkDecoder(file: owner.file, index: owner.index, kernels: owner.codec.kernels)
                    do throws(Failure) {
                        for place in members[group] { try body(place, decoder) }
                    } catch { failures[group] = error }
                }
            }
        }
        try file.throwIfChanged()
        for case let failure? in failures { throw failure }
    }
}
