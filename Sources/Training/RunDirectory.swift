internal import Glibc
package import System

/// The output of a training run: `metrics.jsonl` as it goes, `run.json` and the adapter at the end. One process at a
/// time writes it.
package final class RunDirectory {
    package let path: String
    private let lock: Int32
    private let metrics: Int32

    /// Files that a run makes; `--overwrite` removes exactly these.
    package static let files = [
        "adapter_config.json", "adapter_model.safetensors", "metrics.jsonl", "run.json",
    ]
    private static let lockName = ".lock"

    /// Creates the directory, or takes one that is empty.
    ///
    /// - Parameter overwrite: whether the files of a former run may be removed.
    /// - Throws: `cannotCreate` where it is in use by another run (its pid is named), not empty, or not writable.
    package init(_ path: String, overwrite: Bool) throws(Failure) {
        self.path = path
        try FileSystem.createDirectory(path)
        lock = try Self.takeLock(path)
        let names = try FileSystem.list(path).filter { $0 != Self.lockName }
        if overwrite {
            let foreign = names.filter { !Self.files.contains($0) }
            guard foreign.isEmpty else {
                close(lock)
                throw Failure(
                    .cannotCreate, "the output directory holds \"\(foreign[0])\", which no training run made",
                    at: .init(file: path), remedy: "Name another directory")
            }
            for name in names { try FileSystem.removeFile(FileSystem.join(path, name)) }
        } else if !names.isEmpty {
            close(lock)
            throw Failure(
                .cannotCreate, "the output directory is not empty", at: .init(file: path),
                remedy: "Name another directory, or give --overwrite to replace the run in it")
        }
        let name = FileSystem.join(path, "metrics.jsonl")
        metrics = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard metrics >= 0 else {
            throw Failure(
                .cannotCreate, "the file cannot be created: \(String(cString: strerror(errno)))", at: .init(file: name),
                remedy: "Make the directory writable")
        }
    }

    deinit {
        close(metrics)
        unlink(FileSystem.join(path, Self.lockName))
        close(lock)
    }

    /// Takes the lock file and writes this process's id into it.
    private static func takeLock(_ path: String) throws(Failure) -> Int32 {
        let name = FileSystem.join(path, lockName)
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
                .cannotCreate, "the output directory is in use by the run with process id \(holder)",
                at: .init(file: path), remedy: "Wait for that run, or name another directory")
        }
        let text = Array(String(getpid()).utf8)
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, text, text.count, 0) == text.count else {
            close(descriptor)
            throw Failure(
                .inputOutput, "the lock cannot be written: \(String(cString: strerror(errno)))", at: .init(file: name),
                remedy: "Make room on the disk")
        }
        return descriptor
    }

    /// Appends the line of an event.
    package func append(_ event: TrainingEvent) throws(Failure) {
        let line = JSONWriter.compact.bytes(event.json) + [0x0A]
        var offset = 0
        while offset < line.count {
            let count = line.withUnsafeBytes { Glibc.write(metrics, $0.baseAddress! + offset, $0.count - offset) }
            if count > 0 {
                offset += count
            } else if errno != EINTR {
                throw Failure(
                    .inputOutput, "metrics cannot be written: \(String(cString: strerror(errno)))",
                    at: .init(file: FileSystem.join(path, "metrics.jsonl")), remedy: "Make room on the disk")
            }
        }
    }

    /// Writes `run.json`.
    package func write(_ record: JSONValue) throws(Failure) {
        try AtomicFile.write(JSONWriter.pretty.bytes(record) + [0x0A], to: FileSystem.join(path, "run.json"))
        guard fsync(metrics) == 0 else {
            throw Failure(
                .inputOutput, "metrics cannot be made durable: \(String(cString: strerror(errno)))",
                at: .init(file: FileSystem.join(path, "metrics.jsonl")), remedy: "Check the disk")
        }
    }
}
