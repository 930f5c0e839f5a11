/// A file that is written over several processes: what one of them leaves, the next one goes on with.
///
/// Bytes go to `.NAME.unfinished` in the same directory, which stays until `commit` gives it the name. What was left
/// counts for nothing until it was read and found to be what it should be: no order of writes survives a power loss. One
/// process at a time may write it, which the owner of the directory sees to.
public final class UnfinishedFile: OutputFile {
    /// The final path.
    public let path: String
    /// Bytes from the start to the end of what was written or found.
    public private(set) var byteCount = 0

    private let temporaryPath: String
    private let expectedByteCount: Int
    private let operations: any FileOperations
    /// Nil when it was closed.
    private var descriptor: Int32?

    /// Opens what is left of the file, one that was given its name already included, or creates it.
    ///
    /// - Parameters:
    ///   - path: the final path, in a directory that nobody else writes.
    ///   - expectedByteCount: the size, for the message when the disk is full.
    /// - Throws: `Failure`: 73 where this user cannot create a file there, 74 for a full or failing disk.
    package init(_ path: String, expectedByteCount: Int, operations: any FileOperations) throws(Failure) {
        self.path = path
        self.expectedByteCount = expectedByteCount
        self.operations = operations
        temporaryPath = FileSystem.join(
            FileSystem.parent(path), ".\(FileSystem.lastComponent(path)).unfinished")
        do throws(SystemError) {
            if FileSystem.linkStatus(temporaryPath) == nil, FileSystem.isRegularFile(path) {
                try operations.rename(path, to: temporaryPath)
            }
            descriptor = try operations.open(temporaryPath)
        } catch { throw error.outputFailure("open the file", path, neededByteCount: expectedByteCount) }
    }

    deinit { close() }

    /// The SHA-256 of bytes that are in the file, in hexadecimal digits; nil where it ends before.
    package func digest(of range: Range<Int>) throws(Failure) -> String? {
        let input = try FileDescriptor.openRegularFile(temporaryPath, followsLink: false)
        var hash = SHA256(), offset = range.lowerBound
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { piece.deallocate() }
        while offset < range.upperBound {
            let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, range.upperBound - offset)])
            guard try input.read(into: part, at: offset, path: temporaryPath) == part.count else { return nil }
            hash.update(UnsafeRawBufferPointer(part))
            offset += part.count
        }
        return hash.hexadecimalDigest()
    }

    /// Counts bytes that are in the file as written.
    package func adopt(upTo end: Int) { byteCount = max(byteCount, end) }

    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Failure) {
        guard let descriptor else { fatalError("an unfinished file is written to after its end") }
        do throws(SystemError) {
            try operations.write(descriptor, bytes, at: offset)
        } catch { throw failure("write the file", error) }
        byteCount = max(byteCount, offset + bytes.count)
    }

    /// Makes what was written so far durable.
    ///
    /// - Throws: `Failure`; what was written may be lost then, so that nothing of it may be relied on without being read.
    package func synchronize() throws(Failure) {
        guard let descriptor else { fatalError("an unfinished file is synchronized after its end") }
        do throws(SystemError) {
            try operations.synchronize(descriptor)
        } catch { throw failure("make the file durable", error) }
    }

    public func commit() throws(Failure) {
        guard let descriptor else { fatalError("an unfinished file is committed once") }
        do throws(SystemError) {
            // What a former process wrote behind the end, if it did.
            try operations.truncate(descriptor, to: byteCount)
            try operations.synchronize(descriptor)
        } catch { throw failure("make the file durable", error) }
        close()
        try FileSystem.rename(temporaryPath, to: path, operations: operations)
    }

    private func close() {
        if let descriptor { operations.close(descriptor) }
        descriptor = nil
    }

    private func failure(_ action: String, _ error: SystemError) -> Failure {
        error.outputFailure(action, path, neededByteCount: expectedByteCount)
    }
}
