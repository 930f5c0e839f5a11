internal import Glibc
internal import System

/// A directory that appears under its name whole or not at all.
///
/// Files are made in `.NAME.tmp.PID` beside it; `commit` renames that. Without `commit` it is removed when the object
/// goes; after a kill the next run to the same name removes it.
final class OutputStaging {
    /// Where to make the files.
    let path: String
    private let destination: String
    private var isCommitted = false

    /// - Throws: `Failure`: 73 where `destination` exists and is no empty directory, or cannot be created; 74 for a full
    ///   or failing disk.
    init(_ destination: String) throws(Failure) {
        let real = FileSystem.canonicalPath(destination) ?? destination
        if let kind = FileSystem.status(real)?.kind {
            guard kind == .directory else {
                throw Failure(
                    .cannotCreate, "is \(kind.rawValue) where a directory is to be created",
                    at: .init(file: destination), remedy: "Choose another name")
            }
            let names = try FileSystem.list(real)
            guard names.isEmpty else {
                let listed = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
                throw Failure(
                    .cannotCreate, "the output directory is not empty: it holds \(listed)",
                    at: .init(file: destination), remedy: "Empty it or choose another name")
            }
        }
        let parent = FileSystem.parent(real), name = FileSystem.lastComponent(real)
        try FileSystem.createDirectory(parent)
        let prefix = ".\(name).tmp."
        for stale in try FileSystem.list(parent) where stale.hasPrefix(prefix) {
            guard let process = Int32(stale.dropFirst(prefix.count)), process > 0 else { continue }
            if kill(process, 0) != 0, errno == ESRCH { try FileSystem.removeTree(FileSystem.join(parent, stale)) }
        }
        path = FileSystem.join(parent, "\(prefix)\(getpid())")
        guard FileSystem.linkStatus(path) == nil else {
            throw Failure(
                .cannotCreate, "this process is already making the directory", at: .init(file: destination),
                remedy: "Choose another name")
        }
        self.destination = real
        try FileSystem.createDirectory(path)
    }

    deinit {
        if !isCommitted { try? FileSystem.removeTree(path) }
    }

    /// Gives the directory its name; its files are durable already.
    func commit() throws(Failure) {
        try FileSystem.synchronizeDirectory(path)
        try FileSystem.rename(path, to: destination)
        isCommitted = true
    }
}
