#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The error number of a system call that failed, taken before another call can change it.
package struct SystemError: Error, Sendable {
    package let number: Int32

    package init(number: Int32) { self.number = number }

    /// The calling thread's `errno`.
    static var last: SystemError { SystemError(number: errno) }

    /// The C library's text: `No such file or directory`.
    package var text: String {
        // Both C libraries return constants for known numbers, so that threads do not share a buffer.
        String(cString: strerror(number))
    }

    /// The failure of opening or reading an input: 66 where it is missing or not readable by this user, 74 otherwise.
    func inputFailure(_ action: String, _ path: String) -> Failure {
        switch number {
        case ENOENT, ENOTDIR:
            Failure(.inputMissing, "there is no such file", at: .init(file: path), remedy: "Check the path")
        case EACCES, EPERM:
            Failure(
                .inputMissing, "cannot \(action): \(text)", at: .init(file: path),
                remedy: "Give this user permission to read it")
        case ELOOP:
            Failure(
                .badData, "is a symbolic link where a regular file is expected", at: .init(file: path),
                remedy: "Put the file itself in its place")
        case ENAMETOOLONG:
            Failure(.inputMissing, "the path is too long for this system", at: .init(file: path))
        case EMFILE, ENFILE:
            Failure(
                .inputOutput, "cannot \(action): \(text)", at: .init(file: path),
                remedy: "Raise the limit of open files (`ulimit -n`)")
        default: Failure(.inputOutput, "cannot \(action): \(text)", at: .init(file: path))
        }
    }

    /// The failure of creating an output: 73 where this user cannot create it there, 74 for a full or failing disk.
    ///
    /// - Parameter neededByteCount: what the whole file takes, where it is known; named when the disk is full.
    package func outputFailure(_ action: String, _ path: String, neededByteCount: Int?) -> Failure {
        let needed = neededByteCount.map { "; the file needs \($0) bytes" } ?? ""
        switch number {
        case ENOSPC, EDQUOT:
            let free = FileSystem.freeByteCount(near: path).map { ", \($0) are free" } ?? ""
            return Failure(
                .inputOutput, "cannot \(action): the disk is full (\(text))\(needed)\(free)", at: .init(file: path),
                remedy: "Free space there or choose another disk; what was there before is unchanged")
        case EFBIG:
            return Failure(
                .inputOutput, "cannot \(action): \(text)\(needed)", at: .init(file: path),
                remedy: "Raise the file size limit (`ulimit -f`)")
        case EACCES, EPERM, EROFS, ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG, EEXIST, ELOOP:
            return Failure(
                .cannotCreate, "cannot \(action): \(text)", at: .init(file: path),
                remedy: "Choose a place that this user can write to")
        default: return Failure(.inputOutput, "cannot \(action): \(text)\(needed)", at: .init(file: path))
        }
    }
}

/// Makes a system call, again while a signal interrupts it.
///
/// - Returns: what the call returned, not negative.
/// - Throws: the error number where it returned a negative value.
func systemCall<Value: SignedInteger>(_ call: () -> Value) throws(SystemError) -> Value {
    while true {
        let value = call()
        if value >= 0 { return value }
        let error = SystemError.last
        if error.number != EINTR { throw error }
    }
}
