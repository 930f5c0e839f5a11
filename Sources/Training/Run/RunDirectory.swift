package import System

/// The output of a training run: `metrics.jsonl` as it goes, `checkpoints/` now and then, `run.json` and the adapter at
/// the end. One process at a time writes it.
package final class RunDirectory {
    /// What may be in the directory already.
    package enum Opening: Sendable {
        /// Nothing.
        case fresh
        /// A former run, which is removed.
        case overwrite
        /// A former run, which goes on.
        case resume
    }

    package let path: String
    /// The folder of checkpoints; it need not exist.
    package var checkpoints: String { FileSystem.join(path, Self.checkpointsName) }
    private let lock: DirectoryLock

    /// What a run makes; `--overwrite` removes exactly these.
    package static let files = [
        "adapter_config.json", "adapter_model.safetensors", "metrics.jsonl", "run.json", "chat_template.jinja",
        "chat_settings.json",
    ]
    private static let checkpointsName = "checkpoints"

    /// Creates the directory, or takes one that holds what `opening` allows.
    ///
    /// - Throws: `cannotCreate` where it is in use by another run (its pid is named), holds what it must not, or is not
    ///   writable.
    package init(_ path: String, _ opening: Opening) throws(Failure) {
        self.path = path
        try FileSystem.createDirectory(path)
        lock = try DirectoryLock(path, owner: "run")
        try Self.check(path, opening)
        try AtomicFile.removeAbandoned(in: path, .others)
        if opening == .overwrite {
            // Checkpoints first: nothing may go on with what is half removed.
            try FileSystem.removeTree(FileSystem.join(path, Self.checkpointsName))
            for name in Self.files { try FileSystem.removeFile(FileSystem.join(path, name)) }
        }
    }

    /// Refuses a directory that holds what `opening` does not allow. Changes nothing, so that a verb can ask before the
    /// long work; one that does not exist is as good as empty.
    package static func check(_ path: String, _ opening: Opening) throws(Failure) {
        guard FileSystem.status(path) != nil else { return }
        let names = try FileSystem.list(path).filter {
            $0 != DirectoryLock.fileName && AtomicFile.writer(ofTemporary: $0) == nil
        }
        switch opening {
        case .resume: return
        case .fresh:
            guard !names.isEmpty else { return }
            throw OutputDirectory.notEmpty(
                path, holding: names,
                remedy: names.contains(checkpointsName)
                    ? "Give --resume to go on with the run in it, --overwrite to replace it, or name another directory"
                    : "Name another directory, or give --overwrite to replace the run in it")
        case .overwrite:
            guard let foreign = names.first(where: { !files.contains($0) && $0 != checkpointsName }) else { return }
            throw OutputDirectory.foreign(path, holding: foreign, maker: "train")
        }
    }

    /// Writes `run.json`.
    package func write(_ record: JSONValue) throws(Failure) {
        try AtomicFile.write(JSONWriter.pretty.bytes(record) + [0x0A], to: FileSystem.join(path, "run.json"))
    }
}
