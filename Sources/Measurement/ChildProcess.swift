internal import Glibc
package import System

/// Runs this program again as another process, so that its memory can be measured alone.
package enum ChildProcess {
    /// How a process ended.
    package struct Result: Sendable {
        /// The exit status; 128 + signal where a signal ended it.
        package let status: Int32
        /// All it wrote to standard output.
        package let output: [UInt8]
    }

    /// Milliseconds between looks at `pendingSignal`.
    private static let interval: Int32 = 50

    /// Starts `/proc/self/exe` and waits for its end.
    ///
    /// Standard input of the process is a pipe that stays open as long as this process lives and wants the work:
    /// its end tells the other process to stop. A signal that asks this process to end is passed on.
    ///
    /// - Parameters:
    ///   - arguments: without the program's name.
    ///   - errorFile: takes standard error.
    ///   - pendingSignal: the signal to pass on, nil without one.
    /// - Throws: `Failure` of kind `inputOutput` where the process cannot be started.
    package static func run(
        _ arguments: [String], errorFile: String, pendingSignal: () -> Int32?
    ) throws(Failure) -> Result {
        let lifeline = try makePipe(), output = try makePipe()
        defer { close(output.read) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, lifeline.read, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.write, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errorFile, O_WRONLY | O_CREAT | O_TRUNC, 0o600)

        let pointers = (["qlora"] + arguments).map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, "/proc/self/exe", &actions, nil, pointers, environ)
        close(lifeline.read)
        close(output.write)
        guard code == 0 else {
            close(lifeline.write)
            throw Failure(
                .inputOutput, "this program cannot start itself again: \(String(cString: strerror(code)))",
                remedy: "Check the limits on processes and memory")
        }
        let bytes = read(from: output.read, process, pendingSignal)
        close(lifeline.write)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return Result(status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output: bytes)
    }

    /// Everything until the process closes its end; signals are passed on meanwhile, each once.
    private static func read(from descriptor: Int32, _ process: pid_t, _ pendingSignal: () -> Int32?) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var passedOn: Int32?
        while true {
            if let signal = pendingSignal(), signal != passedOn {
                kill(process, signal)
                passedOn = signal
            }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, interval) > 0 else { continue }
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress!, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    private static func makePipe() throws(Failure) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0, fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0, fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0
        else {
            throw Failure(
                .inputOutput, "no pipe can be made: \(String(cString: strerror(errno)))",
                remedy: "Raise the limit on open files")
        }
        return (ends[0], ends[1])
    }

    /// In a process that `run` started: asks this process to end (SIGTERM) as soon as the one that started it is gone.
    package static func endWithParent() {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { _ in
                var byte: UInt8 = 0
                while true {
                    let count = Glibc.read(STDIN_FILENO, &byte, 1)
                    if count == 0 || (count < 0 && errno != EINTR) { break }
                }
                kill(getpid(), SIGTERM)
                return nil
            }, nil)
        if status == 0 { pthread_detach(thread) }
    }
}
