internal import Glibc
internal import System

/// The lines of standard input, one at a time; a line end is LF or CRLF, the last line may lack it.
struct InputLines {
    /// A longer line is refused: 256 MiB.
    static let longestLine = 256 << 20

    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    /// Number of the line that `next` returned last, from 1.
    private(set) var number = 0

    /// The bytes of the next line without its end; nil after the last.
    ///
    /// - Throws: `Failure`: 74 where reading fails, 65 where a line is too long.
    mutating func next() throws(Failure) -> [UInt8]? {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                defer { position = end + 1 }
                return line(position..<end)
            }
            searched = buffer.count
            if isAtEnd {
                guard position < buffer.count else { return nil }
                defer { position = buffer.count }
                return line(position..<buffer.count)
            }
            guard buffer.count - position <= Self.longestLine else {
                throw Failure(
                    .badData, "a line has more than \(Self.longestLine) bytes",
                    at: .init(file: "standard input", line: number + 1))
            }
            searched -= position
            try fill()
        }
    }

    private mutating func line(_ range: Range<Int>) -> [UInt8] {
        number += 1
        let end = !range.isEmpty && buffer[range.upperBound - 1] == 0x0D ? range.upperBound - 1 : range.upperBound
        return Array(buffer[range.lowerBound..<end])
    }

    /// Reads more behind what is left of the buffer, which moves to its start.
    private mutating func fill() throws(Failure) {
        buffer.removeFirst(position)
        position = 0
        let old = buffer.count
        let size = max(1 << 16, old)
        buffer.append(contentsOf: repeatElement(0, count: size))
        while true {
            let count = buffer.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress! + old, size) }
            if count < 0, errno == EINTR { continue }
            buffer.removeLast(size - max(0, count))
            guard count >= 0 else {
                throw Failure(.inputOutput, "standard input cannot be read: \(String(cString: strerror(errno)))")
            }
            isAtEnd = count == 0
            return
        }
    }
}
