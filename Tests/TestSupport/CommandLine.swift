internal import Glibc

/// What a run of the program left behind.
public struct CommandResult: Sendable {
    /// The exit status, or 128 + signal if a signal ended it.
    public let status: Int32
    public let standardOutput: String
    public let standardError: String
}

/// Runs the built `qlora`, for tests of the command line.
public enum QLoRACommand {
    /// The program beside the running test bundle; nil where it was not built.
    public static let path: String? = {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
        guard count > 0, let slash = buffer[..<count].lastIndex(of: UInt8(ascii: "/")) else { return nil }
        let path = String(decoding: buffer[..<slash], as: UTF8.self) + "/qlora"
        return access(path, X_OK) == 0 ? path : nil
    }()

    /// For `.enabled(if:)`.
    public static var isBuilt: Bool { path != nil }
}

/// Runs `qlora` with arguments and standard input until it ends.
///
/// - Parameters:
///   - arguments: without the program's name.
///   - stdin: all of standard input.
///   - environment: added to, and overriding, the environment of the tests.
public func runQLoRA(
    arguments: [String], stdin: String = "", environment: [String: String] = [:]
) -> CommandResult {
    guard let path = QLoRACommand.path else { fatalError("runQLoRA: the program was not built beside the tests") }
    return runCommand(path: path, arguments: arguments, stdin: Array(stdin.utf8), environment: environment)
}

/// Runs any program; streams go through unlinked temporary files, so no pipe can fill and block.
public func runCommand(
    path: String, arguments: [String], stdin: [UInt8] = [], environment: [String: String] = [:]
) -> CommandResult {
    let input = temporaryDescriptor(holding: stdin), output = temporaryDescriptor(), error = temporaryDescriptor()
    defer { for descriptor in [input, output, error] { close(descriptor) } }

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO)

    let argumentPointers = ([path] + arguments).map { strdup($0) } + [nil]
    let environmentPointers = mergedEnvironment(environment).map { strdup($0) } + [nil]
    defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }

    var process: pid_t = 0
    let code = posix_spawn(&process, path, &actions, nil, argumentPointers, environmentPointers)
    guard code == 0 else { fatalError("\(path) cannot be started: \(String(cString: strerror(code)))") }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7F
    return CommandResult(
        status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal,
        standardOutput: contents(output), standardError: contents(error))
}

private func mergedEnvironment(_ added: [String: String]) -> [String] {
    var merged: [String] = []
    var pointer = environ
    while let entry = pointer.pointee {
        let text = String(cString: entry)
        if added[String(text.prefix { $0 != "=" })] == nil { merged.append(text) }
        pointer += 1
    }
    return merged + added.map { "\($0.key)=\($0.value)" }
}

private func temporaryDescriptor(holding bytes: [UInt8] = []) -> Int32 {
    var template = Array("/tmp/qlora-test-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
        fatalError("a temporary file cannot be made in /tmp")
    }
    unlink(template)
    var offset = 0
    while offset < bytes.count {
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
        guard count > 0 else { fatalError("a temporary file in /tmp cannot be written") }
        offset += count
    }
    lseek(descriptor, 0, SEEK_SET)
    return descriptor
}

private func contents(_ descriptor: Int32) -> String {
    lseek(descriptor, 0, SEEK_SET)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress!, $0.count) }
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes.append(contentsOf: chunk[..<count])
    }
}
