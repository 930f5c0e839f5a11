public import System

/// A mapped safetensors file.
public final class SafetensorsFile: Sendable {
    public let file: MappedFile
    public let header: SafetensorsHeader
    private let indices: [TensorName: Int]

    /// Maps a file and checks its header; the data are not touched.
    ///
    /// - Throws: `Failure`: 66 missing, 65 malformed, 74 unreadable.
    public convenience init(_ path: String, followsLink: Bool = true) throws(Failure) {
        try self.init(MappedFile(path, followsLink: followsLink))
    }

    /// Checks the header of a mapped file.
    public init(_ file: MappedFile) throws(Failure) {
        do throws(Failure) {
            header = try SafetensorsHeader(file.bytes, path: file.path)
        } catch {
            try file.throwIfChanged()
            throw error
        }
        self.file = file
        indices = Dictionary(
            uniqueKeysWithValues: header.tensors.enumerated().map { (TensorName($1.name), $0) })
    }

    public var path: String { file.path }

    /// The tensor of a name, compared by bytes.
    public func entry(named name: String) -> TensorEntry? {
        indices[TensorName(name)].map { header.tensors[$0] }
    }

    /// The bytes of one of the file's tensors. They must not outlive the object.
    public func bytes(of entry: TensorEntry) -> UnsafeRawBufferPointer {
        guard entry.byteOffset <= file.byteCount, entry.byteCount <= file.byteCount - entry.byteOffset else {
            fatalError("a tensor entry belongs to another file")
        }
        return UnsafeRawBufferPointer(rebasing: file.bytes[entry.byteOffset..<entry.byteOffset + entry.byteCount])
    }

    /// The metadata value of a key.
    public func metadata(_ key: String) -> String? {
        header.metadata.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }
}
