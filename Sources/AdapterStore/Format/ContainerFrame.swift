internal import System

/// The fixed parts of a checkpoint file:
///
///     0    8   magic: 0x89 "QLC" CR LF 0x1A LF (shows transfers that change line ends or the eighth bit)
///     8    4   version, 1
///     12   4   flags, 0
///     16       planes, one behind the other: a zstd frame each, or raw bytes where the index gives both lengths alike
///              index: one zstd frame of a JSON document, see `CheckpointIndex`
///     footer, the last 80 bytes:
///     0    8   offset of the index
///     8    8   length of the index's frame
///     16   8   length of the index
///     24   8   XXH64 of the index's frame
///     32   32  SHA-256 of everything before this field
///     64   8   length of the file
///     72   8   magic: "QLC.end" LF
///
/// Numbers are little-endian. `tail -c +$((offset + 1)) FILE | head -c $length | zstd -d` prints the index.
enum ContainerFrame {
    static let magic: [UInt8] = [0x89, 0x51, 0x4C, 0x43, 0x0D, 0x0A, 0x1A, 0x0A]
    static let endMagic: [UInt8] = Array("QLC.end\n".utf8)
    static let version: UInt32 = 1
    static let headByteCount = 16
    static let footerByteCount = 80
    /// Bytes that are hashed before their pages are given back.
    private static let hashedAtOnce = 4 << 20
    /// The digest lies behind this many bytes of the footer.
    static let digestOffset = 32
    /// Most bytes of an index: room for the adapters of models far beyond any that fits a machine without GPU.
    static let indexLimit = 32 << 20

    static var head: [UInt8] { magic + bytes(of: version) + bytes(of: UInt32(0)) }

    /// What the footer states.
    struct Footer: Equatable {
        var indexOffset: Int
        var indexCodedByteCount: Int
        var indexByteCount: Int
        var indexHash: UInt64

        /// The fields before the digest.
        var hashedBytes: [UInt8] {
            [indexOffset, indexCodedByteCount, indexByteCount].flatMap { bytes(of: UInt64($0)) } + bytes(of: indexHash)
        }
    }

    /// The footer's bytes behind the digest.
    static func tail(fileByteCount: Int) -> [UInt8] { bytes(of: UInt64(fileByteCount)) + endMagic }

    static func bytes(of value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    static func word(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Checks everything that covers the whole file: magic, length, footer, index hash, SHA-256; the version last, so
    /// that a damaged file is never taken for one of another version. Reads the file once.
    static func checkedFooter(of file: MappedFile) throws(Failure) -> Footer {
        let bytes = file.bytes
        func damaged(_ what: String, at offset: Int) -> Failure {
            Failure(.badData, what, at: .init(file: file.path, byteOffset: offset), remedy: CheckpointFile.remedy)
        }
        guard bytes.count >= headByteCount, bytes.prefix(8).elementsEqual(magic) else {
            throw damaged("is no checkpoint: it does not begin as one", at: 0)
        }
        let start = bytes.count - footerByteCount
        guard start >= headByteCount, bytes.suffix(8).elementsEqual(endMagic) else {
            throw damaged("the end of the checkpoint is missing", at: bytes.count)
        }
        guard let length = Int(exactly: word(bytes, at: start + 64)), length == bytes.count else {
            throw damaged(
                "the file has \(bytes.count) bytes, its footer says \(word(bytes, at: start + 64))", at: start + 64)
        }
        guard let offset = Int(exactly: word(bytes, at: start)),
            let codedByteCount = Int(exactly: word(bytes, at: start + 8)),
            offset >= headByteCount, offset <= start, codedByteCount == start - offset
        else { throw damaged("the index does not lie between the planes and the footer", at: start) }
        guard let byteCount = Int(exactly: word(bytes, at: start + 16)), byteCount <= indexLimit else {
            throw damaged("the index is larger than the \(indexLimit) bytes accepted", at: start + 16)
        }
        let indexHash = word(bytes, at: start + 24)
        guard XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[offset..<start])) == indexHash else {
            throw damaged("the index is damaged: its hash is another", at: offset)
        }
        var digest = SHA256()
        // Pages that were hashed are given back: as pages of the process they would add the file to its memory.
        for first in stride(from: 0, to: offset, by: hashedAtOnce) {
            let piece = first..<min(first + hashedAtOnce, offset)
            digest.update(UnsafeRawBufferPointer(rebasing: bytes[piece]))
            file.release(piece)
        }
        digest.update(UnsafeRawBufferPointer(rebasing: bytes[offset..<(start + digestOffset)]))
        guard digest.digest().elementsEqual(bytes[(start + digestOffset)..<(start + digestOffset + 32)]) else {
            throw damaged("the checkpoint is damaged: the SHA-256 of the file is another", at: start + digestOffset)
        }
        let version = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self).littleEndian
        let flags = bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self).littleEndian
        guard version == Self.version, flags == 0 else {
            throw Failure(
                .unsupported, "is a checkpoint of version \(version) with flags \(flags); this program reads version 1",
                at: .init(file: file.path, byteOffset: 8), remedy: "Use the program that wrote it, or a newer one")
        }
        return Footer(
            indexOffset: offset, indexCodedByteCount: codedByteCount, indexByteCount: byteCount, indexHash: indexHash)
    }
}
