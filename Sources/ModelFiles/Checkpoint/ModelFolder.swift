internal import System

/// A directory that a user named, and the rules by which its names are opened.
///
/// A snapshot folder of the Hugging Face cache (`X/snapshots/REV`, and folders below it) holds links to files directly
/// in `X/blobs`; those are always followed. Any other link to a file is followed once where the user named the
/// directory, and never where the name came out of a file.
struct ModelFolder: Sendable {
    /// As the user gave it.
    let path: String
    /// Without links.
    let canonicalPath: String
    /// `X/blobs`, where the directory is a snapshot of the Hugging Face cache.
    let blobs: String?

    init(_ path: String) throws(Failure) {
        guard let canonical = FileSystem.canonicalPath(path), let kind = FileSystem.status(canonical)?.kind else {
            throw Failure(
                .inputMissing, "there is no such directory", at: .init(file: path),
                remedy: "Give the path of a model directory in Hugging Face layout")
        }
        guard kind == .directory else {
            throw Failure(
                .badData, "is \(kind.rawValue) where a model directory is expected", at: .init(file: path),
                remedy: "Give the path of the directory that holds config.json and the weights")
        }
        self.path = path
        canonicalPath = canonical
        blobs = Self.blobFolder(of: canonical)
    }

    private static func blobFolder(of canonical: String) -> String? {
        let components = canonical.split(separator: "/")
        guard let snapshots = components.lastIndex(of: "snapshots"), snapshots + 1 < components.count else {
            return nil
        }
        let blobs = "/" + (components[..<snapshots] + ["blobs"]).joined(separator: "/")
        return FileSystem.linkStatus(blobs)?.kind == .directory ? blobs : nil
    }

    /// `org/name` of the cache folder `models--org--name`, where the directory is one of its snapshots.
    var repositoryName: String? {
        guard let blobs else { return nil }
        let folder = FileSystem.lastComponent(FileSystem.parent(blobs))
        guard folder.hasPrefix("models--") else { return nil }
        return folder.dropFirst("models--".count).split(separator: "--").joined(separator: "/")
    }

    /// Whether the directory holds a name, be it a dangling link.
    func contains(_ name: String) -> Bool { FileSystem.linkStatus(FileSystem.join(canonicalPath, name)) != nil }

    /// Where to open a file of the directory; what is returned is to be opened without following links.
    ///
    /// - Parameters:
    ///   - name: one component.
    ///   - source: the file that the name was read from; nil where the name is ours.
    /// - Throws: `Failure`: 66 missing, 65 a link that must not be followed.
    func resolve(_ name: String, namedBy source: String?) throws(Failure) -> String {
        let place = FileSystem.join(path, name)
        let real = FileSystem.join(canonicalPath, name)
        guard let kind = FileSystem.linkStatus(real)?.kind else {
            if let source {
                throw Failure(
                    .inputMissing, "the file is missing although \(source) names it", at: .init(file: place),
                    remedy: "Fetch the directory again, whole")
            }
            throw Failure(.inputMissing, "there is no such file", at: .init(file: place), remedy: "Check the path")
        }
        guard kind == .link else { return place }
        guard let written = FileSystem.linkTarget(real) else {
            throw Failure(.badData, "the symbolic link cannot be read", at: .init(file: place))
        }
        let target = FileSystem.join(canonicalPath, written)
        guard FileSystem.linkStatus(target) != nil else {
            throw Failure(
                .inputMissing, "the symbolic link leads to \(written), where there is nothing", at: .init(file: place),
                remedy: "Fetch the directory again, whole")
        }
        if let blobs, FileSystem.canonicalPath(FileSystem.parent(target)) == blobs {
            return FileSystem.join(blobs, FileSystem.lastComponent(target))
        }
        if let source {
            throw Failure(
                .badData,
                "is a symbolic link to \(written) and was named by \(source): such links are followed only into "
                    + "the blobs of a Hugging Face cache", at: .init(file: place),
                remedy: "Put the file itself in its place if you trust it")
        }
        return target
    }

    /// Maps a file of the directory; messages name it as the user would, not the blob behind a link.
    func map(_ name: String, namedBy source: String? = nil) throws(Failure) -> MappedFile {
        let path = try resolve(name, namedBy: source)
        return try MappedFile(path, followsLink: false, shownAs: FileSystem.join(self.path, name))
    }

    /// Reads a file of the directory that holds one JSON object.
    func readJSONObject(_ name: String, limit: Int = FileReader.configurationLimit) throws(Failure) -> JSONObject {
        let path = try resolve(name, namedBy: nil)
        do throws(Failure) {
            return try FileReader.readJSONObject(path, limit: limit, followsLink: false)
        } catch {
            var failure = error
            failure.place.file = FileSystem.join(self.path, name)
            throw failure
        }
    }

    /// Refuses shard names that are more than a plain file name: `^[A-Za-z0-9._-]{1,255}$`, ending in `.safetensors`.
    static func checkShardName(_ name: String, index: String, tensor: String) throws(Failure) {
        func failure(_ what: String) -> Failure {
            Failure(
                .badData, what, at: .init(file: index, tensor: tensor, field: "weight_map"),
                remedy: "Use an index whose shards lie beside it")
        }
        guard !name.isEmpty else { throw failure("the shard name is empty") }
        guard name.utf8.count <= 255 else {
            throw failure("the shard name has \(name.utf8.count) bytes, more than 255")
        }
        guard name != ".", name != ".." else { throw failure("the shard name \"\(name)\" is a directory") }
        for scalar in name.unicodeScalars {
            switch scalar {
            case "A"..."Z", "a"..."z", "0"..."9", ".", "_", "-": continue
            default:
                let shown = scalar.value < 0x20 ? "character \(scalar.value)" : "\"\(scalar)\""
                throw failure(
                    "the shard name \"\(name.filter { $0 != "\0" })\" contains \(shown); letters, digits, '.', '_' and "
                        + "'-' are accepted")
            }
        }
        guard name.hasSuffix(".safetensors") else { throw failure("the shard \"\(name)\" is not a .safetensors file") }
    }
}
