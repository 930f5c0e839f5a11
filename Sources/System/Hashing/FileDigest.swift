/// SHA-256 of whole files.
public enum FileDigest {
    /// The digest of a regular file in lower-case hexadecimal. Reads the file once.
    ///
    /// - Throws: `Failure`: 66 missing or not readable, 65 not a regular file, 74 where it changed while it was read.
    public static func hex(_ path: String) throws(Failure) -> String {
        let file = try MappedFile(path)
        let digest = SHA256.hexadecimalDigest(of: file.bytes)
        try file.throwIfChanged()
        return digest
    }
}
