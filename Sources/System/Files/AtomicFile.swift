internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// A file that appears under its name whole or not at all.
///
/// Bytes go to a new file `.NAME.tmp.PID.N` in the same directory; `commit` makes them durable, renames the file over
/// the final name and makes the name durable: after a crash at any point the name holds the old content or the new
/// one. Without `commit` the temporary file is removed when the object goes.
public final class AtomicFile {
    /// The final path.
    public let path: String
    /// Bytes from the start to the end of what was written.
    public private(set) var byteCount = 0

    private let temporaryPath: String
    private let expectedByteCount: Int?
    private let operations: any FileOperations
    /// Nil when it was closed.
    private var descriptor: Int32?
    private var isCommitted = false
    private var hasFailed = false

    private static let counter = Atomic<Int>(0)

    /// Creates the temporary file.
    ///
    /// - Parameters:
    ///   - path: the final path; an existing file is replaced at `commit`.
    ///   - expectedByteCount: the size, where it is known, for the message when the disk is full.
    /// - Throws: `Failure`: 73 where this user cannot create a file there, 74 for a full or failing disk.
    public convenience init(_ path: String, expectedByteCount: Int? = nil) throws(Failure) {
        try self.init(path, expectedByteCount: expectedByteCount, operations: SystemFileOperations())
    }

    /// Creates the temporary file through given system calls.
    package init(
        _ path: String, expectedByteCount: Int? = nil, operations: any FileOperations
    ) throws(Failure) {
        let directory = FileSystem.parent(path)
        let stem = FileSystem.join(directory, ".\(FileSystem.lastComponent(path)).tmp.\(getpid())")
        if let kind = FileSystem.status(path)?.kind, kind != .regular {
            throw Failure(
                .cannotCreate, "is \(kind.rawValue) where a file is to be written", at: .init(file: path),
                remedy: "Choose another name")
        }
        if let expectedByteCount, let free = FileSystem.freeByteCount(near: path), expectedByteCount > free {
            throw SystemError(number: ENOSPC)
                .outputFailure("create the file", path, neededByteCount: expectedByteCount)
        }
        while true {
            // A leftover of a dead process with this process's number is passed over, never opened.
            let number = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
            let candidate = "\(stem).\(number)"
            do throws(SystemError) {
                descriptor = try operations.create(candidate)
                temporaryPath = candidate
                break
            } catch {
                if error.number == EEXIST { continue }
                throw error.outputFailure("create the file", path, neededByteCount: expectedByteCount)
            }
        }
        self.path = path
        self.expectedByteCount = expectedByteCount
        self.operations = operations
    }

    deinit {
        close()
        if !isCommitted, !hasFailed { try? operations.remove(temporaryPath) }
    }

    /// The process that writes, or wrote, a temporary file of this name; nil for any other name.
    package static func writer(ofTemporary name: String) -> Int32? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 5, parts[0].isEmpty, parts[parts.count - 3] == "tmp", Int(parts[parts.count - 1]) != nil,
            let process = Int32(parts[parts.count - 2]), process > 0
        else { return nil }
        return process
    }

    /// Writes bytes at an offset; gaps read as zeros until they are written.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Failure) {
        guard let descriptor else { fatalError("an atomic file is written to after its end") }
        do throws(SystemError) {
            try operations.write(descriptor, bytes, at: offset)
        } catch { throw fail("write the file", error) }
        byteCount = max(byteCount, offset + bytes.count)
    }

    /// Writes bytes after the last one.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(Failure) { try write(bytes, at: byteCount) }

    /// Writes an array after the last byte.
    public func append(_ bytes: [UInt8]) throws(Failure) {
        var failure: Failure?
        bytes.withUnsafeBytes { buffer in
            do throws(Failure) { try append(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Makes the content durable and gives the file its name. Must be called once, after the last write.
    ///
    /// - Throws: `Failure`; then the name holds what it held before, and the temporary file is removed. A failed
    ///   `fsync` means that data may be lost: it is not tried again, the file has to be written anew. Only where
    ///   nothing but the name could not be made durable does the name hold the new content, until a crash at least.
    public func commit() throws(Failure) { try commit { _ in } }

    /// Makes the content durable, has it examined, and gives the file its name.
    ///
    /// - Parameter verify: reads the temporary file, whose path it is given; what it throws stops the commit.
    package func commit(verifying verify: (String) throws(Failure) -> Void) throws(Failure) {
        guard !isCommitted, !hasFailed, let descriptor else {
            fatalError("an atomic file is committed once, and not after a failure")
        }
        do throws(SystemError) {
            try operations.synchronize(descriptor)
        } catch { throw fail("make the file durable", error) }
        close()
        do throws(Failure) {
            try verify(temporaryPath)
        } catch {
            removeTemporary()
            throw error
        }
        do throws(SystemError) {
            try operations.rename(temporaryPath, to: path)
        } catch { throw fail("rename the temporary file", error) }
        isCommitted = true
        try FileSystem.synchronizeDirectory(FileSystem.parent(path), operations: operations)
    }

    private func close() {
        if let descriptor { operations.close(descriptor) }
        descriptor = nil
    }

    private func removeTemporary() {
        hasFailed = true
        try? operations.remove(temporaryPath)
    }

    private func fail(_ action: String, _ error: SystemError) -> Failure {
        let failure = error.outputFailure(action, path, neededByteCount: expectedByteCount ?? byteCount)
        removeTemporary()
        return failure
    }

    /// Whose temporary files are leftovers.
    package enum Abandoned: Sendable {
        /// Those of processes that are gone, and of this one: the caller knows that it is writing none there.
        case goneOrOwn
        /// Those of any process but this one: the caller knows that no other writes there (it holds a lock), even where
        /// another process has got the number of a dead one since.
        case others
    }

    /// Removes the temporary files that processes which were killed, or this one, left in a directory.
    package static func removeAbandoned(
        in directory: String, _ abandoned: Abandoned, operations: any FileOperations = SystemFileOperations()
    ) throws(Failure) {
        for name in try FileSystem.list(directory) {
            guard let process = writer(ofTemporary: name) else { continue }
            let isOwn = process == getpid()
            let isLeftover =
                switch abandoned {
                case .goneOrOwn: isOwn || kill(process, 0) != 0 && errno == ESRCH
                case .others: !isOwn
                }
            if isLeftover { try FileSystem.removeFile(FileSystem.join(directory, name), operations: operations) }
        }
    }

    /// Writes a whole file.
    ///
    /// - Throws: `Failure`; then the name holds what it held before.
    public static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
        let file = try AtomicFile(path, expectedByteCount: bytes.count)
        try file.append(bytes)
        try file.commit()
    }

    /// Writes a whole text file.
    public static func write(_ text: String, to path: String) throws(Failure) {
        try write(Array(text.utf8), to: path)
    }
}
