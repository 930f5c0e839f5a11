/// Reads whole files of configuration size.
public enum FileReader {
    /// The size that configuration files may have: 64 MiB.
    public static let configurationLimit = 64 << 20

    /// The bytes of a regular file.
    ///
    /// - Parameters:
    ///   - path: the file; a link to a file is followed.
    ///   - limit: the largest size in bytes that is accepted; checked before memory is taken.
    ///   - followsLink: whether `path` itself may be a symbolic link.
    /// - Throws: `Failure`: 66 missing or not readable, 65 not a regular file or larger than the limit, 74 otherwise.
    public static func read(
        _ path: String, limit: Int = configurationLimit, followsLink: Bool = true
    ) throws(Failure) -> [UInt8] {
        let descriptor = try FileDescriptor.openRegularFile(path, followsLink: followsLink)
        let byteCount = try descriptor.status(path).byteCount
        guard byteCount <= limit else {
            throw Failure(
                .badData, "the file has \(byteCount) bytes, more than the \(limit) accepted for its kind",
                at: .init(file: path))
        }
        var count = 0
        var failure: Failure?
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
            do throws(Failure) {
                count = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0, path: path)
            } catch { failure = error }
            initialized = count
        }
        if let failure { throw failure }
        guard count == byteCount else {
            throw Failure(
                .inputOutput, "only \(count) of \(byteCount) bytes could be read: the file shrank while it was read",
                at: .init(file: path), remedy: "Start again when nothing else writes to it")
        }
        return bytes
    }

    /// The bytes of a file as text.
    ///
    /// - Throws: as `read`, and 65 with the offset of the first byte that is not UTF-8.
    public static func readText(_ path: String, limit: Int = configurationLimit) throws(Failure) -> String {
        let bytes = try read(path, limit: limit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            var valid = 0
            var decoder = UTF8()
            var iterator = bytes.makeIterator()
            while case .scalarValue(let scalar) = decoder.decode(&iterator) { valid += UTF8.width(scalar) }
            throw Failure(.badData, "the text is not UTF-8", at: .init(file: path, byteOffset: valid))
        }
        return text
    }

    /// A file that holds one JSON document.
    ///
    /// - Throws: as `read`, and 65 with byte offset, line and column where it is not strict JSON.
    public static func readJSON(
        _ path: String, limit: Int = configurationLimit, followsLink: Bool = true
    ) throws(Failure) -> JSONValue {
        let bytes = try read(path, limit: limit, followsLink: followsLink)
        do throws(Failure) {
            return try JSONParser.parse(bytes, limits: JSONParser.Limits(byteCount: limit))
        } catch { throw error.inFile(path) }
    }

    /// A file that holds one JSON object.
    ///
    /// - Throws: as `readJSON`, and 65 where the document is something else.
    public static func readJSONObject(
        _ path: String, limit: Int = configurationLimit, followsLink: Bool = true
    ) throws(Failure) -> JSONObject {
        let value = try readJSON(path, limit: limit, followsLink: followsLink)
        guard let object = value.object else {
            throw Failure(.badData, "holds \(value.kindName) where a JSON object is expected", at: .init(file: path))
        }
        return object
    }
}
