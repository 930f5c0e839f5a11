#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Questions to the file system and directories.
public enum FileSystem {
    /// What a path names, links followed; nil where there is nothing or it cannot be examined.
    public static func status(_ path: String) -> FileStatus? {
        var status = stat()
        return stat(path, &status) == 0 ? FileStatus(status) : nil
    }

    /// What a path names, a link being a link.
    public static func linkStatus(_ path: String) -> FileStatus? {
        var status = stat()
        return lstat(path, &status) == 0 ? FileStatus(status) : nil
    }

    public static func isDirectory(_ path: String) -> Bool { status(path)?.kind == .directory }
    public static func isRegularFile(_ path: String) -> Bool { status(path)?.kind == .regular }

    /// The absolute path without links, nil where it does not exist.
    public static func canonicalPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Where a symbolic link points, as it is written; nil if the path is no link.
    public static func linkTarget(_ path: String) -> String? {
        let buffer = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            count = buffer.withMemoryRebound(to: CChar.self) { max(readlink(path, $0.baseAddress!, $0.count), 0) }
        }
        return buffer.isEmpty || buffer.count == 4096 ? nil : String(decoding: buffer, as: UTF8.self)
    }

    /// Two paths joined by one slash; an absolute second path stands alone.
    public static func join(_ directory: String, _ name: String) -> String {
        if name.hasPrefix("/") || directory.isEmpty { return name }
        return directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }

    /// The last component: `b` of `/a/b` and of `/a/b/`.
    public static func lastComponent(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }

    /// Everything before the last component: `/a` of `/a/b`, `.` of `b`, `/` of `/b`.
    public static func parent(_ path: String) -> String {
        var trimmed = path[...]
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        let parent = trimmed[..<slash]
        return parent.isEmpty ? "/" : String(parent)
    }

    /// The names in a directory without `.` and `..`, sorted by bytes.
    ///
    /// - Throws: `Failure`: 66 missing or not readable, 65 not a directory, 74 otherwise.
    public static func list(_ path: String) throws(Failure) -> [String] {
        guard let directory = opendir(path) else {
            let error = SystemError.last
            if error.number == ENOTDIR, let kind = status(path)?.kind {
                throw Failure(.badData, "is \(kind.rawValue) where a directory is expected", at: .init(file: path))
            }
            throw error.inputFailure("open the directory", path)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                let error = SystemError.last
                if error.number != 0 { throw error.inputFailure("list the directory", path) }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Creates a directory and the missing ones above it; one that exists is left as it is.
    ///
    /// - Throws: `Failure`: 73 where it cannot be created, 74 for a full or failing disk.
    public static func createDirectory(_ path: String) throws(Failure) {
        if let kind = status(path)?.kind {
            guard kind == .directory else {
                throw Failure(
                    .cannotCreate, "is \(kind.rawValue) where a directory is to be created", at: .init(file: path),
                    remedy: "Choose another name")
            }
            return
        }
        let above = parent(path)
        if above != path, above != "." { try createDirectory(above) }
        if mkdir(path, 0o777) != 0 {
            let error = SystemError.last
            guard error.number == EEXIST, isDirectory(path) else {
                throw error.outputFailure("create the directory", path, neededByteCount: nil)
            }
        }
    }

    /// Bytes that this user can still write to the file system of a path or of the nearest directory above it.
    public static func freeByteCount(near path: String) -> Int? {
        var place = path
        var information = statvfs()
        while statvfs(place, &information) != 0 {
            let above = parent(place)
            if above == place { return nil }
            place = above
        }
        // Some network file systems keep no count and say that they have no blocks at all.
        guard information.f_blocks > 0 else { return nil }
        let (bytes, overflow) = Int(clamping: information.f_bavail)
            .multipliedReportingOverflow(by: Int(clamping: information.f_frsize))
        return overflow ? nil : bytes
    }

    /// Renames a file or directory and makes the change durable.
    ///
    /// - Throws: `Failure`: 73 or 74, see `AtomicFile`.
    public static func rename(_ source: String, to destination: String) throws(Failure) {
        try rename(source, to: destination, operations: SystemFileOperations())
    }

    package static func rename(
        _ source: String, to destination: String, operations: any FileOperations
    ) throws(Failure) {
        do throws(SystemError) {
            try operations.rename(source, to: destination)
        } catch {
            throw error.outputFailure("rename \(lastComponent(source)) to it", destination, neededByteCount: nil)
        }
        try synchronizeDirectory(parent(destination), operations: operations)
    }

    /// Removes a file or a link; one that is missing is no error.
    public static func removeFile(_ path: String) throws(Failure) {
        try removeFile(path, operations: SystemFileOperations())
    }

    package static func removeFile(_ path: String, operations: any FileOperations) throws(Failure) {
        do throws(SystemError) {
            try operations.remove(path)
        } catch {
            if error.number != ENOENT { throw error.outputFailure("remove the file", path, neededByteCount: nil) }
        }
    }

    /// Removes a directory and what is in it; links are removed, not followed. One that is missing is no error.
    public static func removeTree(_ path: String) throws(Failure) {
        guard let kind = linkStatus(path)?.kind else { return }
        guard kind == .directory else { return try removeFile(path) }
        for name in try list(path) { try removeTree(join(path, name)) }
        if rmdir(path) != 0 { throw SystemError.last.outputFailure("remove the directory", path, neededByteCount: nil) }
    }

    /// Makes names created, renamed or removed in a directory durable.
    public static func synchronizeDirectory(_ path: String) throws(Failure) {
        try synchronizeDirectory(path, operations: SystemFileOperations())
    }

    package static func synchronizeDirectory(_ path: String, operations: any FileOperations) throws(Failure) {
        do throws(SystemError) {
            try operations.synchronizeDirectory(path)
        } catch { throw error.outputFailure("make the directory durable", path, neededByteCount: nil) }
    }
}
