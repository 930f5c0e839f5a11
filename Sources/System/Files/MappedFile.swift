internal import CSystem

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// A regular file mapped for reading: its bytes without a copy, brought in by the system as they are touched.
///
/// If another process truncates the file or the disk fails, reads give zeros instead of ending the process; call
/// `throwIfChanged` after using the bytes (`anyFault` is the check for inner loops). The file stays open, so replacing
/// it by a rename changes nothing here.
public final class MappedFile: @unchecked Sendable {
    // Unchecked: the mapping is read-only and lives as long as the object.

    /// The path for messages.
    public let path: String
    /// The content. Must not outlive the object.
    public let bytes: UnsafeRawBufferPointer

    private let descriptor: FileDescriptor
    private let status: FileStatus
    private let slot: Int32

    /// Maps a file.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - followsLink: whether `path` itself may be a symbolic link.
    ///   - shownAs: the path for messages, where the user knows the file by another one.
    /// - Throws: `Failure`: 66 missing or not readable, 65 not a regular file, 74 otherwise.
    public init(_ path: String, followsLink: Bool = true, shownAs: String? = nil) throws(Failure) {
        let descriptor: FileDescriptor
        do throws(Failure) {
            descriptor = try FileDescriptor.openRegularFile(path, followsLink: followsLink)
        } catch {
            var failure = error
            failure.place.file = shownAs ?? path
            throw failure
        }
        let path = shownAs ?? path
        let status = try descriptor.status(path)
        var mapping = UnsafeRawBufferPointer(start: nil, count: 0)
        var slot: Int32 = -1
        if status.byteCount > 0 {
            let address = mmap(nil, status.byteCount, PROT_READ, MAP_PRIVATE, descriptor.number, 0)
            guard address != MAP_FAILED, let address else {
                throw SystemError.last.inputFailure("map \(status.byteCount) bytes", path)
            }
            slot = csystem_mapping_register(address, status.byteCount)
            guard slot >= 0 else {
                munmap(address, status.byteCount)
                throw Failure(
                    .inputOutput, "more than \(CSYSTEM_MAPPING_LIMIT) files are mapped at a time", at: .init(file: path)
                )
            }
            mapping = UnsafeRawBufferPointer(start: address, count: status.byteCount)
        }
        self.path = path
        self.descriptor = descriptor
        self.status = status
        self.slot = slot
        bytes = mapping
    }

    deinit {
        guard let base = bytes.baseAddress else { return }
        csystem_mapping_unregister(slot)
        munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }

    /// Size in bytes when it was opened.
    public var byteCount: Int { bytes.count }

    /// Last change of the content when it was opened, in nanoseconds since 1970.
    public var modificationNanoseconds: Int {
        let (product, overflow) = status.modificationSeconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? 0 : product &+ status.modificationNanoseconds
    }

    /// Whether a page of any mapped file could not be read since the process started: one atomic load.
    public static var anyFault: Bool { csystem_mapping_any_fault() }

    /// Refuses to go on with bytes that were not those of the file as it was opened. Costs one system call.
    ///
    /// - Throws: `Failure` of kind `inputOutput` if a page could not be read, or size or time of the file changed.
    public func throwIfChanged() throws(Failure) {
        let now = try descriptor.status(path)
        if now.byteCount < byteCount {
            throw failure("was truncated from \(byteCount) to \(now.byteCount) bytes while in use")
        }
        if slot >= 0, csystem_mapping_faulted(slot) { throw failure("could not be read while in use") }
        guard now == status else { throw failure("was changed while in use") }
    }

    private func failure(_ what: String) -> Failure {
        Failure(
            .inputOutput, "the file \(what)", at: .init(file: path),
            remedy: "Restore it and start again when nothing else writes to it")
    }

    /// Tells the system that the bytes will be read soon, front to back.
    public func readAhead() {
        guard let base = bytes.baseAddress else { return }
        _ = madvise(UnsafeMutableRawPointer(mutating: base), bytes.count, MADV_WILLNEED)
    }

    /// Tells the system that a range of the file will be read soon; what lies outside of the file is left out.
    public func readAhead(_ range: Range<Int>) {
        guard let base = bytes.baseAddress else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = max(0, range.lowerBound) / page * page
        let end = min(range.upperBound, bytes.count)
        if first < end { _ = madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_WILLNEED) }
    }

    /// Gives the pages of a range back to the system; reading them again reads the file again.
    ///
    /// - Parameter range: bytes of the file; only whole pages inside it are released.
    public func release(_ range: Range<Int>) {
        guard let base = bytes.baseAddress, range.lowerBound >= 0, range.upperBound <= bytes.count else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = (range.lowerBound + page - 1) / page * page
        let end = range.upperBound == bytes.count ? bytes.count : range.upperBound / page * page
        if first < end { _ = madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED) }
    }
}
