internal import Glibc

/// Keeps other processes of this program from writing a directory, until the object goes or the process ends.
///
/// A lock file in it holds the process's number for the message to others. It stays: removing it would let two processes
/// hold locks on two files of one name.
package final class DirectoryLock {
    /// The name of the lock file.
    package static let fileName = ".lock"

    private let descriptor: Int32

    /// Takes the lock.
    ///
    /// - Parameters:
    ///   - directory: exists.
    ///   - owner: who may hold the lock, for the message: `run`.
    /// - Throws: `cannotCreate` where it is held (the process is named) or the directory is not writable, `inputOutput`
    ///   for a full disk.
    package init(_ directory: String, owner: String) throws(Failure) {
        let name = FileSystem.join(directory, Self.fileName)
        let descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else {
            throw Failure(
                .cannotCreate, "the lock cannot be created: \(String(cString: strerror(errno)))", at: .init(file: name),
                remedy: "Make the directory writable")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var bytes = [UInt8](repeating: 0, count: 32)
            let count = pread(descriptor, &bytes, bytes.count, 0)
            close(descriptor)
            let holder = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
            throw Failure(
                .cannotCreate, "the output directory is in use by the \(owner) with process id \(holder)",
                at: .init(file: directory), remedy: "Wait for that \(owner), or name another directory")
        }
        let text = Array(String(getpid()).utf8)
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, text, text.count, 0) == text.count else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw Failure(
                .inputOutput, "the lock cannot be written: \(reason)", at: .init(file: name),
                remedy: "Make room on the disk")
        }
        self.descriptor = descriptor
    }

    deinit {
        // A child process may have a copy of the descriptor until it begins its own program: with that alone closed here, the
        // lock would stay with it.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// Whether the lock file is still that of the directory: a holder may have removed both before this one got the lock.
    package func isCurrent(_ directory: String) -> Bool {
        var own = stat(), named = stat()
        return fstat(descriptor, &own) == 0 && stat(FileSystem.join(directory, Self.fileName), &named) == 0
            && own.st_ino == named.st_ino && own.st_dev == named.st_dev
    }
}
