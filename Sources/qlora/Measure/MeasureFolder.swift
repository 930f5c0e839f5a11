internal import Glibc
internal import System

/// The output directory of `measure`: reports that appear whole or not at all, and a hidden folder for what is made on
/// the way, removed at every end but a kill.
final class MeasureFolder {
    let path: String
    /// Where models, adapters and rows go meanwhile.
    let work: String
    private let wasCreated: Bool

    private static let workPrefix = ".measure."
    private static let files = ["report.json", "report.html", "models"]

    /// Where kept models are made; moved into the directory at the end.
    var models: String { FileSystem.join(work, "models") }

    /// Takes a directory that does not exist or is empty; with `overwrite` one that holds reports, which stay until the
    /// new ones are whole.
    ///
    /// - Throws: 73 where it is in use (the process is named), not empty or cannot be written.
    init(_ path: String, overwrite: Bool) throws(Failure) {
        self.path = path
        wasCreated = FileSystem.status(path) == nil
        try FileSystem.createDirectory(path)
        var foreign: [String] = []
        for name in try FileSystem.list(path) {
            guard name.hasPrefix(Self.workPrefix), let process = Int32(name.dropFirst(Self.workPrefix.count)) else {
                foreign.append(name)
                continue
            }
            // Left behind by a process that was killed, unless it still runs.
            guard kill(process, 0) != 0, errno == ESRCH else {
                throw Failure(
                    .cannotCreate, "the output directory is in use by the process \(process)", at: .init(file: path),
                    remedy: "Wait for it, or name another directory")
            }
            try FileSystem.removeTree(FileSystem.join(path, name))
        }
        let unknown = foreign.filter { !Self.files.contains($0) }
        if overwrite, let first = unknown.first {
            throw OutputDirectory.foreign(path, holding: first, maker: "measure")
        }
        guard overwrite || foreign.isEmpty else {
            throw OutputDirectory.notEmpty(
                path, holding: foreign,
                remedy: "Name another directory, or give --overwrite to replace the reports in it")
        }
        work = FileSystem.join(path, Self.workPrefix + String(getpid()))
        try FileSystem.createDirectory(FileSystem.join(work, "models"))
    }

    deinit {
        try? FileSystem.removeTree(work)
        // Nothing is left of a study that failed.
        if wasCreated { rmdir(path) }
    }

    /// Writes the reports, and moves the models beside them if they are kept.
    func commit(_ report: MeasureReport, keepsModels: Bool) throws(Failure) {
        if keepsModels {
            let kept = FileSystem.join(path, "models")
            try FileSystem.removeTree(kept)
            try FileSystem.rename(models, to: kept)
        }
        try AtomicFile.write(
            JSONWriter.pretty.bytes(report.json) + [0x0A], to: FileSystem.join(path, "report.json"))
        try AtomicFile.write(report.html, to: FileSystem.join(path, "report.html"))
    }
}
