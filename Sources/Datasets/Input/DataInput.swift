internal import System

/// Bounds on what data files may hold.
package struct DataLimits: Sendable {
    /// The longest row in bytes.
    package var rowByteCount: Int
    /// The most bytes that one compressed file may decode to.
    package var decodedByteCount: Int

    package init(rowByteCount: Int = 64 << 20, decodedByteCount: Int = 16 << 30) {
        self.rowByteCount = rowByteCount
        self.decodedByteCount = decodedByteCount
    }
}

/// The bytes of a data file from front to back, decompressed.
final class DataInput {
    let file: String

    private let mapping: MappedFile
    private let decoder: ZstdDecoder?
    private var position = 0
    /// Of the bytes of the file up to `hashedCount`; nil where nobody asks.
    private var hash: SHA256?
    private var hashedCount = 0

    /// Opens a file; zstd is recognised by its first bytes or by the name's ending.
    ///
    /// - Parameter hashes: whether the bytes of the file are hashed while they are read, see `digest`.
    /// - Throws: `inputMissing`, `badData` for something that is no regular file, `unsupported` for other compressions.
    init(_ file: String, limits: DataLimits, hashes: Bool = false) throws(Failure) {
        self.file = file
        hash = hashes ? SHA256() : nil
        mapping = try MappedFile(file)
        let bytes = mapping.bytes
        if bytes.starts(with: ZstdDecoder.magic) || file.hasSuffix(".zst") {
            decoder = ZstdDecoder(bytes, file: file, byteLimit: limits.decodedByteCount)
        } else {
            decoder = nil
            for (name, magic) in Self.foreignFormats where bytes.starts(with: magic) {
                throw Failure(
                    .unsupported, "the file is \(name), which is not supported as data", at: .init(file: file),
                    remedy: "Convert it to JSON lines")
            }
        }
    }

    /// Files that are given as data by mistake, by their first bytes.
    private static let foreignFormats: [(name: String, magic: [UInt8])] = [
        ("compressed with gzip", [0x1F, 0x8B]),
        ("an xz archive", [0xFD, 0x37, 0x7A, 0x58, 0x5A]),
        ("a zip archive", [0x50, 0x4B, 0x03, 0x04]),
        ("a Parquet table", Array("PAR1".utf8)),
        ("an Arrow table", Array("ARROW1".utf8)),
        ("UTF-16 text", [0xFF, 0xFE]),
        ("UTF-16 text", [0xFE, 0xFF]),
    ]

    /// Copies the next bytes.
    ///
    /// - Returns: how many bytes of `buffer` were filled; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        let count: Int
        if let decoder {
            count = try decoder.read(into: buffer)
        } else {
            count = min(buffer.count, mapping.bytes.count - position)
            if count > 0 {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: mapping.bytes[position..<position + count]))
            }
            position += count
        }
        let consumed = decoder?.position ?? position
        hash?.update(UnsafeRawBufferPointer(rebasing: mapping.bytes[hashedCount..<consumed]))
        hashedCount = consumed
        if count == 0 || MappedFile.anyFault { try mapping.throwIfChanged() }
        return count
    }

    /// The SHA-256 of the file as it was read, in lower-case hexadecimal; nil before its end, and where it was not asked
    /// for.
    var digest: String? { hashedCount == mapping.bytes.count ? hash?.hexadecimalDigest() : nil }
}
