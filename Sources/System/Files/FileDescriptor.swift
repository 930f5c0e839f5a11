#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Owns an open file descriptor.
struct FileDescriptor: ~Copyable, Sendable {
    let number: Int32

    init(number: Int32) { self.number = number }

    deinit { _ = close(number) }

    /// Opens a regular file for reading.
    ///
    /// Opening never blocks: a pipe or a device is refused instead of waited for.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - followsLink: whether `path` itself may be a symbolic link.
    /// - Throws: `Failure`: 66 missing or not readable, 65 not a regular file, 74 anything else.
    static func openRegularFile(_ path: String, followsLink: Bool = true) throws(Failure) -> FileDescriptor {
        guard !path.utf8.contains(0) else {
            throw Failure(.badData, "the path contains a NUL byte", at: .init(file: path.filter { $0 != "\0" }))
        }
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (followsLink ? 0 : O_NOFOLLOW)
        let number: Int32
        do throws(SystemError) {
            number = try systemCall { open(path, flags) }
        } catch { throw error.inputFailure("open the file", path) }
        let descriptor = FileDescriptor(number: number)
        let kind = try descriptor.status(path).kind
        guard kind == .regular else {
            throw Failure(
                .badData, "is \(kind.rawValue) where a regular file is expected", at: .init(file: path),
                remedy: "Give the path of a file")
        }
        return descriptor
    }

    /// What the system says about the open file.
    func status(_ path: String) throws(Failure) -> FileStatus {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw SystemError.last.inputFailure("examine the file", path) }
        return FileStatus(status)
    }

    /// Reads exactly the bytes from `offset`, or fewer where the file ends.
    ///
    /// - Returns: how many bytes were read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, path: String) throws(Failure) -> Int {
        var done = 0
        while done < buffer.count {
            let count: Int
            do throws(SystemError) {
                count = try systemCall {
                    pread(number, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
                }
            } catch { throw error.inputFailure("read the file", path) }
            if count == 0 { break }
            done += count
        }
        return done
    }
}

/// Writes every byte where a descriptor stands, through interruptions and short writes.
package func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
    var offset = 0
    while offset < bytes.count {
        let count = try systemCall {
            bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
        }
        guard count > 0 else { throw SystemError(number: EIO) }
        offset += count
    }
}

/// What kind of thing a path names, for decisions and messages.
public enum FileKind: String, Sendable {
    case regular = "a regular file"
    case directory = "a directory"
    case link = "a symbolic link"
    case pipe = "a pipe"
    case device = "a device"
    case socket = "a socket"
    case other = "of an unknown kind"
}

/// Size, kind and time of a file.
public struct FileStatus: Sendable, Equatable {
    public let kind: FileKind
    public let byteCount: Int
    /// Last change of the content: seconds since 1970 and nanoseconds.
    public let modificationSeconds: Int
    public let modificationNanoseconds: Int

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .link
            case S_IFIFO: .pipe
            case S_IFCHR, S_IFBLK: .device
            case S_IFSOCK: .socket
            default: .other
            }
        byteCount = Int(status.st_size)
        #if canImport(Darwin)
        modificationSeconds = status.st_mtimespec.tv_sec
        modificationNanoseconds = status.st_mtimespec.tv_nsec
        #else
        modificationSeconds = status.st_mtim.tv_sec
        modificationNanoseconds = status.st_mtim.tv_nsec
        #endif
    }
}
