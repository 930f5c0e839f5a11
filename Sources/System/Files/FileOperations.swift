#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The system calls by which files come into being, become durable, change their names and go: everything that a
/// commit protocol consists of, so that a test can record it, let it fail, or replay what a power loss leaves of it.
///
/// Every call is made again while a signal interrupts it; a failed `synchronize` must never be: the data is lost.
package protocol FileOperations: Sendable {
    /// Creates a new file for writing; refuses a name that exists, a link included.
    ///
    /// - Returns: its descriptor, to be closed by `close`.
    func create(_ path: String) throws(SystemError) -> Int32
    /// Opens a file for reading and writing, or creates it; refuses a link.
    ///
    /// - Returns: its descriptor, to be closed by `close`.
    func open(_ path: String) throws(SystemError) -> Int32
    /// Writes all bytes at an offset, however many calls it takes.
    func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError)
    /// Makes a file so many bytes long.
    func truncate(_ descriptor: Int32, to byteCount: Int) throws(SystemError)
    /// Makes the content of a file durable.
    func synchronize(_ descriptor: Int32) throws(SystemError)
    /// Gives a descriptor back; errors do not matter after `synchronize` and cannot be acted on without it.
    func close(_ descriptor: Int32)
    /// Gives a file another name in one step, replacing what has it.
    func rename(_ source: String, to destination: String) throws(SystemError)
    /// Removes a name.
    func remove(_ path: String) throws(SystemError)
    /// Makes names created, renamed or removed in a directory durable.
    func synchronizeDirectory(_ path: String) throws(SystemError)
}

/// The calls of the running system.
package struct SystemFileOperations: FileOperations {
    package init() {}

    package func create(_ path: String) throws(SystemError) -> Int32 {
        try Self.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW)
    }

    package func open(_ path: String) throws(SystemError) -> Int32 {
        try Self.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW)
    }

    private static func open(_ path: String, _ flags: Int32) throws(SystemError) -> Int32 {
        try systemCall {
            #if canImport(Glibc)
            Glibc.open(path, flags, 0o666)
            #else
            Darwin.open(path, flags, 0o666)
            #endif
        }
    }

    package func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let count = try systemCall {
                pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            }
            guard count > 0 else { throw SystemError(number: EIO) }
            done += count
        }
    }

    package func truncate(_ descriptor: Int32, to byteCount: Int) throws(SystemError) {
        _ = try systemCall { ftruncate(descriptor, off_t(byteCount)) }
    }

    package func synchronize(_ descriptor: Int32) throws(SystemError) {
        _ = try systemCall { fsync(descriptor) }
    }

    package func close(_ descriptor: Int32) {
        #if canImport(Glibc)
        _ = Glibc.close(descriptor)
        #else
        _ = Darwin.close(descriptor)
        #endif
    }

    package func rename(_ source: String, to destination: String) throws(SystemError) {
        _ = try systemCall {
            #if canImport(Glibc)
            Glibc.rename(source, destination)
            #else
            Darwin.rename(source, destination)
            #endif
        }
    }

    package func remove(_ path: String) throws(SystemError) { _ = try systemCall { unlink(path) } }

    package func synchronizeDirectory(_ path: String) throws(SystemError) {
        let descriptor = try Self.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(descriptor) }
        do throws(SystemError) {
            try synchronize(descriptor)
        } catch {
            // Some file systems have no such operation for directories and say EINVAL.
            if error.number != EINVAL { throw error }
        }
    }
}
