internal import Glibc

/// The small text files in which the kernel tells about the process and the machine.
enum KernelText {
    /// The text of a file of at most one megabyte; nil where it does not exist or cannot be read.
    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        let limit = 1 << 20
        while text.count < limit {
            var piece = [UInt8](repeating: 0, count: 16384)
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            text += piece[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// A file that holds one number, or `max` and the like for none.
    static func number(_ path: String) -> Int? {
        read(path).flatMap { text in Int(text.split(whereSeparator: \.isWhitespace).first ?? "") }
    }

    /// The number behind a key at the start of a line: `VmRSS:  1234 kB` gives 1234 for `VmRSS:`.
    ///
    /// Goes through bytes: a training asks after every step, between whose ends no other thread has work.
    static func number(_ key: String, in text: String) -> Int? {
        var (key, text) = (key, text)
        return text.withUTF8 { text in
            key.withUTF8 { key in
                for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: key) {
                    let rest = line.dropFirst(key.count)
                    guard let first = rest.first, isBlank(first) else { continue }
                    return Int(String(decoding: rest.drop(while: isBlank).prefix { !isBlank($0) }, as: UTF8.self))
                }
                return nil
            }
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// The number of kilobytes behind a key, in bytes.
    static func bytes(_ key: String, in text: String) -> Int? {
        number(key, in: text).map { min(max(0, $0), 1 << 50) * 1024 }
    }
}
