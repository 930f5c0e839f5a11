internal import Glibc
public import System

/// A directory of its own for a test, removed with the object.
public final class TemporaryDirectory: Sendable {
    public let path: String

    public init() {
        var template = Array("/tmp/qlora-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary directory could be made") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileSystem.removeTree(path) }

    /// The path of a name in it.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file in it.
    ///
    /// - Returns: its path.
    @discardableResult public func write(_ name: String, _ bytes: [UInt8]) -> String {
        do throws(Failure) {
            try AtomicFile.write(bytes, to: file(name))
        } catch { fatalError("\(error)") }
        return file(name)
    }

    /// Writes a text file in it.
    ///
    /// - Returns: its path.
    @discardableResult public func write(_ name: String, _ text: String) -> String { write(name, Array(text.utf8)) }
}

/// The `Failure` that a piece of code throws; nil if it throws none or another error.
public func failure(_ body: () throws -> Void) -> Failure? {
    do { try body() } catch { return error as? Failure }
    return nil
}
