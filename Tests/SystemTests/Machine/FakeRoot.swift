import Glibc
import System

/// A folder that stands for `/`, with the small files of the kernel that a test needs; removed with the value.
final class FakeRoot {
    let path: String

    init(_ files: [String: String]) throws {
        var template = Array("/tmp/qlora-root-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(.cannotCreate, "no temporary folder") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for (name, text) in files {
            var folder = path
            for part in name.split(separator: "/").dropLast() {
                folder += "/" + part
                mkdir(folder, 0o700)
            }
            let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT, 0o600)
            defer { close(descriptor) }
            let bytes = Array(text.utf8)
            guard write(descriptor, bytes, bytes.count) == bytes.count else {
                throw Failure(.cannotCreate, "\(name) could not be written")
            }
        }
    }

    deinit { try? FileSystem.removeTree(path) }
}
