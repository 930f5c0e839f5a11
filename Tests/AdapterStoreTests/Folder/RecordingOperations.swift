import Synchronization
import System

/// Something that happened to the files of a directory, in order.
enum FileEvent {
    /// A file got its first name; `file` numbers the files.
    case create(file: Int, name: String)
    case write(file: Int, offset: Int, bytes: [UInt8])
    case synchronize(file: Int)
    case rename(from: String, to: String)
    case remove(name: String)
    case synchronizeDirectory
    /// The program told its user that the checkpoint of a step is safe.
    case saved(step: Int)
}

/// Makes the system's calls and records them; those that wait for the disk are recorded alone.
final class RecordingOperations: FileOperations {
    private struct State {
        var events: [FileEvent] = []
        var files: [Int32: Int] = [:]
        var fileCount = 0
    }

    private let system = SystemFileOperations()
    private let state = Mutex(State())

    var events: [FileEvent] { state.withLock { $0.events } }

    func markSaved(step: Int) { state.withLock { $0.events.append(.saved(step: step)) } }

    private func record(_ event: FileEvent) { state.withLock { $0.events.append(event) } }

    func create(_ path: String) throws(SystemError) -> Int32 {
        let descriptor = try system.create(path)
        state.withLock {
            $0.files[descriptor] = $0.fileCount
            $0.events.append(.create(file: $0.fileCount, name: FileSystem.lastComponent(path)))
            $0.fileCount += 1
        }
        return descriptor
    }

    func open(_ path: String) throws(SystemError) -> Int32 { fatalError("a checkpoint is never opened again") }

    func truncate(_ descriptor: Int32, to byteCount: Int) throws(SystemError) {
        fatalError("a checkpoint is never cut")
    }

    func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        try system.write(descriptor, bytes, at: offset)
        let copy = Array(bytes)
        state.withLock { $0.events.append(.write(file: $0.files[descriptor] ?? -1, offset: offset, bytes: copy)) }
    }

    func synchronize(_ descriptor: Int32) throws(SystemError) {
        state.withLock { $0.events.append(.synchronize(file: $0.files[descriptor] ?? -1)) }
    }

    func close(_ descriptor: Int32) { system.close(descriptor) }

    func rename(_ source: String, to destination: String) throws(SystemError) {
        try system.rename(source, to: destination)
        record(.rename(from: FileSystem.lastComponent(source), to: FileSystem.lastComponent(destination)))
    }

    func remove(_ path: String) throws(SystemError) {
        try system.remove(path)
        record(.remove(name: FileSystem.lastComponent(path)))
    }

    func synchronizeDirectory(_ path: String) throws(SystemError) {
        record(.synchronizeDirectory)
    }
}
