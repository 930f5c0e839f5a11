internal import Synchronization
package import System

/// Makes the system's calls, except that from one on they fail, or that one alone. Of a write that fails, the first half
/// happens: so it is where a process is killed, and where a disk becomes full.
package final class FailingOperations: FileOperations {
    private struct State {
        var callCount = 0
        var synchronizeFailures: Set<Int32> = []
        var secondSynchronizeCount = 0
    }

    private let system = SystemFileOperations()
    private let state = Mutex(State())
    private let failing: Int
    private let persists: Bool
    private let error: Int32

    package init(failing: Int, persists: Bool, error: Int32) {
        self.failing = failing
        self.persists = persists
        self.error = error
    }

    /// Calls so far.
    package var callCount: Int { state.withLock { $0.callCount } }

    /// How many calls a piece of code makes.
    package static func callCount(_ body: (FailingOperations) throws -> Void) -> Int {
        let operations = FailingOperations(failing: .max, persists: false, error: 0)
        try? body(operations)
        return operations.callCount
    }

    /// Times that a file was synchronized again after that had failed.
    package var secondSynchronizeCount: Int { state.withLock { $0.secondSynchronizeCount } }

    private func call() throws(SystemError) {
        let number = state.withLock { state in
            defer { state.callCount += 1 }
            return state.callCount
        }
        if number == failing || (persists && number > failing) { throw SystemError(number: error) }
    }

    package func create(_ path: String) throws(SystemError) -> Int32 {
        try call()
        return try system.create(path)
    }

    package func open(_ path: String) throws(SystemError) -> Int32 {
        try call()
        return try system.open(path)
    }

    package func truncate(_ descriptor: Int32, to byteCount: Int) throws(SystemError) {
        try call()
        try system.truncate(descriptor, to: byteCount)
    }

    package func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        do throws(SystemError) {
            try call()
        } catch {
            try system.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / 2)), at: offset)
            throw error
        }
        try system.write(descriptor, bytes, at: offset)
    }

    package func synchronize(_ descriptor: Int32) throws(SystemError) {
        state.withLock { if $0.synchronizeFailures.contains(descriptor) { $0.secondSynchronizeCount += 1 } }
        do throws(SystemError) {
            try call()
        } catch {
            state.withLock { _ = $0.synchronizeFailures.insert(descriptor) }
            throw error
        }
        try system.synchronize(descriptor)
    }

    package func close(_ descriptor: Int32) { system.close(descriptor) }

    package func rename(_ source: String, to destination: String) throws(SystemError) {
        try call()
        try system.rename(source, to: destination)
    }

    package func remove(_ path: String) throws(SystemError) {
        try call()
        try system.remove(path)
    }

    package func synchronizeDirectory(_ path: String) throws(SystemError) {
        try call()
        try system.synchronizeDirectory(path)
    }
}
