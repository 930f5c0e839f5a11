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
    private let descriptor: FileDescriptor
    private var isCommitted = false
    private var hasFailed = false

    private static let counter = Atomic<Int>(0)

    /// Creates the temporary file.
    ///
    /// - Parameters:
    ///   - path: the final path; an existing file is replaced at `commit`.
    ///   - expectedByteCount: the size, where it is known, for the message when the disk is full.
    /// - Throws: `Failure`: 73 where this user cannot create a file there, 74 for a full or failing disk.
    public init(_ path: String, expectedByteCount: Int? = nil) throws(Failure) {
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
                let opened = try systemCall {
                    open(candidate, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
                }
                descriptor = FileDescriptor(number: opened)
                temporaryPath = candidate
                break
            } catch {
                if error.number == EEXIST { continue }
                throw error.outputFailure("create the file", path, neededByteCount: expectedByteCount)
            }
        }
        self.path = path
        self.expectedByteCount = expectedByteCount
    }

    deinit { if !isCommitted { unlink(temporaryPath) } }

    /// Writes bytes at an offset; gaps read as zeros until they are written.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Failure) {
        do throws(SystemError) {
            try descriptor.write(bytes, at: offset)
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
    ///   `fsync` means that data may be lost: it is not tried again, the file has to be written anew.
    public func commit() throws(Failure) {
        guard !isCommitted, !hasFailed else { fatalError("an atomic file is committed once, and not after a failure") }
        do throws(SystemError) {
            _ = try systemCall { fsync(descriptor.number) }
        } catch { throw fail("make the file durable", error) }
        do throws(SystemError) {
            _ = try systemCall { rename(temporaryPath, path) }
        } catch { throw fail("rename the temporary file", error) }
        isCommitted = true
        try FileSystem.synchronizeDirectory(FileSystem.parent(path))
    }

    private func fail(_ action: String, _ error: SystemError) -> Failure {
        hasFailed = true
        let failure = error.outputFailure(action, path, neededByteCount: expectedByteCount ?? byteCount)
        unlink(temporaryPath)
        return failure
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
