package import System

/// The checkpoints of one run, `checkpoints/` in its directory: one file a save, the newest last to go.
///
/// One process at a time may save or recover, which the run's lock sees to; anybody may read.
package struct CheckpointFolder: Sendable {
    package let path: String
    let codec: CheckpointCodec
    let operations: any FileOperations

    /// A file of the folder, by its name.
    package struct Entry: Sendable, Equatable {
        package let path: String
        package let step: Int
    }

    package init(_ path: String, codec: CheckpointCodec) {
        self.init(path, codec: codec, operations: SystemFileOperations())
    }

    package init(_ path: String, codec: CheckpointCodec, operations: any FileOperations) {
        self.path = path
        self.codec = codec
        self.operations = operations
    }

    /// The checkpoints by their names, the highest step first; empty where the folder does not exist. Times of files
    /// play no part. Nothing is opened.
    package func list() throws(Failure) -> [Entry] {
        guard FileSystem.linkStatus(path) != nil else { return [] }
        var entries: [Entry] = []
        for name in try FileSystem.list(path) {
            guard let step = CheckpointName.step(of: name) else { continue }
            entries.append(Entry(path: FileSystem.join(path, name), step: step))
        }
        return entries.sorted { $0.step > $1.step }
    }

    /// Opens one checkpoint: its name must say the step that its header says.
    package func open(_ entry: Entry) throws(Failure) -> CheckpointFile {
        let file = try CheckpointFile(entry.path, codec: codec)
        guard let step = file.header["step"]?.integer, step == entry.step else {
            let found = file.header["step"].map { JSONWriter.compact.string($0) } ?? "no step"
            throw Failure(
                .badData, "the name of the checkpoint says step \(entry.step), its header \(found)",
                at: .init(file: entry.path), remedy: "Give the file the name it was written under")
        }
        return file
    }

    // MARK: - Recovery

    /// The newest checkpoint that is whole, every tensor decoded and checked; nil where the folder has none at all.
    ///
    /// Damaged ones on the way are renamed to `NAME.corrupt`, never deleted; those that cannot be read now (by the disk,
    /// permissions, a limit of open files) keep their names. Temporary files that saves left behind are removed, except
    /// those of other processes that still live.
    ///
    /// - Returns: the file, and what was wrong with newer ones, the path being the one before renaming.
    /// - Throws: `badData` where there are checkpoints and none is whole; what one could not be read for, where none
    ///   can be used otherwise; `unsupported` for a checkpoint of a newer program, which is left alone.
    package func newestValid() throws(Failure) -> (file: CheckpointFile, rejected: [(String, Failure)])? {
        if FileSystem.isDirectory(path) {
            try AtomicFile.removeAbandoned(in: path, .goneOrOwn, operations: operations)
        }
        var rejected: [(String, Failure)] = []
        for entry in try list() {
            do throws(Failure) {
                let file = try open(entry)
                try file.verify()
                return (file, rejected)
            } catch {
                if error.kind == .unsupported { throw error }
                rejected.append((entry.path, error))
                if error.kind == .badData { try setAside(entry.path) }
            }
        }
        if let unread = rejected.first(where: { $0.1.kind != .badData }) { throw unread.1 }
        guard let first = rejected.first else { return nil }
        let names = rejected.map { FileSystem.lastComponent($0.0) }.joined(separator: ", ")
        throw Failure(
            .badData, "none of the \(rejected.count) checkpoints is whole (\(names)); the newest: \(first.1.what)",
            at: .init(file: path, byteOffset: first.1.place.byteOffset),
            remedy:
                "They are now named \(CheckpointName.corruptSuffix); copy one back from a backup, or resume again to "
                + "start at step 1")
    }

    /// Renames a bad file out of the way, to a name that is free.
    private func setAside(_ file: String) throws(Failure) {
        var target = file + CheckpointName.corruptSuffix
        var number = 2
        while FileSystem.linkStatus(target) != nil {
            target = "\(file)\(CheckpointName.corruptSuffix).\(number)"
            number += 1
        }
        try FileSystem.rename(file, to: target, operations: operations)
    }

    // MARK: - Saving

    /// What a save did.
    package struct Save: Sendable {
        package let summary: CheckpointSummary
        /// Older checkpoints that were removed, by path.
        package let removed: [String]
        /// Why an older checkpoint could not be removed; the new one is safe nevertheless.
        package let removalFailure: Failure?
    }

    /// Writes the checkpoint of a step, see `CheckpointWriter.write`; when this returns it is durable. Then the oldest
    /// ones beyond `keep` are removed.
    ///
    /// - Parameters:
    ///   - header: as in the file, with `step` set to the step.
    ///   - keep: how many checkpoints stay, the new one included; nil keeps all.
    /// - Throws: `inputOutput` before anything is written where the disk has less than 1.1 times the expected size
    ///   left; otherwise as `CheckpointWriter.write`. The older checkpoints are untouched then.
    package func save(
        _ streams: [CheckpointStream], header: JSONObject, step: Int, keep: Int?
    ) throws(Failure) -> Save {
        guard step >= 0, keep ?? 1 >= 1 else { fatalError("checkpoint of step \(step), \(keep ?? 0) to keep") }
        var header = header
        header.set("step", .integer(step))
        try createFolder()
        let target = FileSystem.join(path, CheckpointName.name(step: step))
        try requireRoom(expectedByteCount(streams, header: header), saves: 1)
        let summary = try CheckpointWriter.write(
            streams, header: header, to: target, codec: codec, operations: operations)
        var removed: [String] = []
        var removalFailure: Failure?
        if let keep {
            do throws(Failure) {
                let older = try list().filter { $0.step < step }
                for entry in older.dropFirst(keep - 1).reversed() {
                    try FileSystem.removeFile(entry.path, operations: operations)
                    removed.append(entry.path)
                }
            } catch { removalFailure = error }
        }
        return Save(summary: summary, removed: removed, removalFailure: removalFailure)
    }

    /// Refuses a run whose disk has no room for two checkpoints: to be asked before step 1.
    ///
    /// - Throws: `inputOutput` with the bytes needed and free.
    package func requireRoomForRun(_ streams: [CheckpointStream], header: JSONObject) throws(Failure) {
        try requireRoom(CheckpointWriter.largestByteCount(streams, header: header), saves: 2)
    }

    private func createFolder() throws(Failure) {
        guard !FileSystem.isDirectory(path) else { return }
        try FileSystem.createDirectory(path)
        try FileSystem.synchronizeDirectory(FileSystem.parent(path), operations: operations)
    }

    /// The size of the newest checkpoint here, or the bound where there is none.
    private func expectedByteCount(_ streams: [CheckpointStream], header: JSONObject) throws(Failure) -> Int {
        let bound = CheckpointWriter.largestByteCount(streams, header: header)
        guard let newest = try list().first, let status = FileSystem.status(newest.path) else { return bound }
        return min(max(status.byteCount, bound / 4), bound)
    }

    private func requireRoom(_ byteCount: Int, saves: Int) throws(Failure) {
        guard let free = FileSystem.freeByteCount(near: path) else { return }
        let needed = (byteCount + byteCount / 10) * saves
        guard free >= needed else {
            throw Failure(
                .inputOutput,
                "a checkpoint is not written: \(needed) bytes are needed\(saves > 1 ? " for \(saves)" : ""), "
                    + "\(free) are free", at: .init(file: path),
                remedy: "Free space there, or keep fewer checkpoints")
        }
    }
}
