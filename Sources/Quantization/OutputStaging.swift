internal import ModelFiles
internal import System

/// A directory that appears under its name whole or not at all.
///
/// It is made in the hidden folder `.NAME.unfinished` beside it, which one process at a time holds; `commit` gives it its
/// name. Without `commit` the folder is removed when the object goes, unless `keep` was called; it stays where the
/// process is killed, for another one to go on.
final class OutputStaging {
    /// Where to make the files.
    let path: String
    /// The hidden folder, with a record of the work in it.
    let folder: String
    private let destination: String
    private let overwrite: Bool
    private let lock: DirectoryLock
    /// Whether the folder outlasts the object.
    private(set) var stays = false
    private let operations: any FileOperations

    /// - Parameters:
    ///   - source: what must not be overwritten.
    ///   - overwrite: whether to replace a directory that `quantize` made.
    /// - Throws: `Failure`: 73 where `destination` exists and is neither an empty directory nor one to be replaced, is
    ///   in use, or cannot be created; 74 for a full or failing disk.
    init(_ destination: String, source: String, overwrite: Bool, operations: any FileOperations) throws(Failure) {
        let real = FileSystem.canonicalPath(destination) ?? destination
        let parent = FileSystem.parent(real)
        folder = FileSystem.join(parent, ".\(FileSystem.lastComponent(real)).unfinished")
        Self.removeFinished(folder)
        try Self.check(real, shownAs: destination, source: source, overwrite: overwrite)
        try FileSystem.createDirectory(folder)
        lock = try DirectoryLock(folder, owner: "run")
        guard lock.isCurrent(folder) else {
            throw Failure(
                .cannotCreate, "another run made the output directory just now", at: .init(file: destination),
                remedy: "Name another directory")
        }
        path = FileSystem.join(folder, Self.modelName)
        try FileSystem.createDirectory(path)
        self.destination = real
        self.overwrite = overwrite
        self.operations = operations
    }

    deinit {
        if !stays { try? FileSystem.removeTree(folder) }
    }

    /// Removes the files that a former run made.
    func clearFiles() throws(Failure) {
        try FileSystem.removeTree(path)
        try FileSystem.createDirectory(path)
    }

    /// Removes all that a former run left.
    func clear() throws(Failure) {
        for name in try FileSystem.list(folder) where name != DirectoryLock.fileName {
            try FileSystem.removeTree(FileSystem.join(folder, name))
        }
        try FileSystem.createDirectory(path)
    }

    /// Lets the folder outlast the object.
    func keep() { stays = true }

    /// Lets the folder go with the object.
    func discard() { stays = false }

    /// Gives the directory its name; its files are durable already.
    func commit() throws(Failure) {
        try FileSystem.synchronizeDirectory(path, operations: operations)
        if overwrite, FileSystem.linkStatus(destination) != nil {
            // Killed before the second renaming, the new one is in the folder, whole, and the next run goes on to here.
            let replaced = FileSystem.join(folder, "replaced")
            try FileSystem.removeTree(replaced)
            try FileSystem.rename(destination, to: replaced, operations: operations)
        }
        do throws(Failure) {
            try FileSystem.rename(path, to: destination, operations: operations)
        } catch {
            // Where the name is there and could not be made durable alone, nothing is left to go on with.
            stays = stays && FileSystem.linkStatus(path) != nil
            throw error
        }
        stays = false
    }

    // MARK: - What is there

    private static let modelName = "model"

    /// Removes the folder of a run that was killed behind its last step but this: what it made has its name already.
    private static func removeFinished(_ folder: String) {
        guard FileSystem.isDirectory(folder), FileSystem.linkStatus(FileSystem.join(folder, modelName)) == nil,
            let lock = try? DirectoryLock(folder, owner: "run")
        else { return }
        try? FileSystem.removeTree(folder)
        withExtendedLifetime(lock) {}
    }

    private static func check(_ real: String, shownAs path: String, source: String, overwrite: Bool) throws(Failure) {
        guard let kind = FileSystem.status(real)?.kind else { return }
        guard kind == .directory else {
            throw Failure(
                .cannotCreate, "is \(kind.rawValue) where a directory is to be created", at: .init(file: path),
                remedy: "Choose another name")
        }
        let names = try FileSystem.list(real)
        guard !names.isEmpty else { return }
        let isOurs = names.contains(QuantizationReport.fileName) && FileSystem.canonicalPath(source) != real
        if overwrite {
            let foreign = isOurs ? names.first { !isMade($0) } : names[0]
            guard let foreign else { return }
            throw OutputDirectory.foreign(path, holding: foreign, maker: "quantize")
        }
        throw OutputDirectory.notEmpty(
            path, holding: names,
            remedy: isOurs
                ? "Give --overwrite to replace the quantized model in it, or name another directory"
                : "Empty it or choose another name")
    }

    /// Whether a quantized directory may hold a file of this name.
    private static func isMade(_ name: String) -> Bool {
        let names = ["config.json", QuantizationReport.fileName, "model.safetensors.index.json"]
        return (names + ModelDirectory.companionFileNames).contains(name)
            || name.hasPrefix("model") && name.hasSuffix(".safetensors")
    }
}
