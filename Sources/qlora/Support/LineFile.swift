internal import System

/// A file of JSON lines that appears whole or not at all.
struct LineFile {
    private let file: AtomicFile
    private var buffer: [UInt8] = []

    init(_ path: String) throws(Failure) { file = try AtomicFile(path) }

    mutating func append(_ value: JSONValue) throws(Failure) {
        buffer += JSONWriter.compact.bytes(value)
        buffer.append(0x0A)
        if buffer.count >= 1 << 20 { try flush() }
    }

    mutating func commit() throws(Failure) {
        try flush()
        try file.commit()
    }

    private mutating func flush() throws(Failure) {
        try file.append(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
