public import System

/// A model in Hugging Face layout: configuration, weights and the files of its tokenizer.
public final class ModelDirectory: Sendable {
    /// As the user gave it.
    public let path: String
    /// The object of `config.json`.
    public let configuration: JSONObject
    /// The path of `config.json`, for messages.
    public let configurationFile: String
    /// The object of `generation_config.json`, where there is one.
    public let generationConfiguration: JSONObject?
    /// How the weights are quantized, as the configuration says.
    public let quantization: QuantizationConfiguration
    /// The weights, mapped.
    public let checkpoint: Checkpoint

    private let folder: ModelFolder

    /// Opens a directory and checks everything that can be checked without reading weights.
    ///
    /// - Throws: `Failure`: 66 no such directory, no config.json, no weights; 69 weights or a quantization that are not
    ///   read, or a model that brings its own code; 65 malformed; 74 unreadable.
    public init(_ path: String) throws(Failure) {
        if FileSystem.isRegularFile(path) { throw Self.fileFailure(path) }
        let folder = try ModelFolder(path)
        guard folder.contains("config.json") else { throw try Self.missingConfiguration(folder) }
        configuration = try folder.readJSONObject("config.json")
        configurationFile = FileSystem.join(path, "config.json")
        try Self.refuseOwnCode(configuration, configurationFile)
        quantization = try QuantizationConfiguration(configuration, file: configurationFile)
        generationConfiguration =
            folder.contains("generation_config.json") ? try folder.readJSONObject("generation_config.json") : nil
        checkpoint = try Checkpoint(folder)
        self.folder = folder
        self.path = path
    }

    /// Names of files that go with the model to a directory made from it: generation settings, tokenizer, templates.
    public static let companionFileNames = [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "spiece.model",
        "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json",
    ]

    /// Those of `companionFileNames` that the directory holds.
    public var companionFiles: [String] { Self.companionFileNames.filter(folder.contains) }

    /// The bytes of a companion file, links followed as the directory's rules allow.
    ///
    /// - Throws: `Failure`: 66 missing, 65 a link that must not be followed, 74 unreadable.
    public func readCompanion(_ name: String) throws(Failure) -> [UInt8] {
        try FileReader.read(folder.resolve(name, namedBy: nil), limit: 1 << 30, followsLink: false)
    }

    /// The name that the model has for others: the configuration's `_name_or_path` where that looks like a name of the
    /// Hub and not like a path, else what the cache folder says; nil where neither is known.
    public var originalName: String? {
        if let name = configuration["_name_or_path"]?.string, Self.isHubName(name) { return name }
        return folder.repositoryName.flatMap { Self.isHubName($0) ? $0 : nil }
    }

    /// Whether a text is `name` or `organisation/name`, and names nothing on this machine.
    private static func isHubName(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), text.utf8.count <= 128 else { return false }
        let isPlain = parts.allSatisfy { part in
            guard let first = part.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-") else {
                return false
            }
            return part.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        }
        return isPlain && FileSystem.linkStatus(text) == nil
    }

    /// The SHA-256 that names the weights: of a line for each tensor in the order of names, `name type shape sha256`.
    /// It does not depend on how the tensors are spread over files. Reads the weights whose hashes are not known once.
    ///
    /// - Parameter knownHashes: SHA-256 in hexadecimal digits by tensor name, trusted as they are.
    /// - Throws: `Failure` of kind `inputOutput` where a file changed meanwhile, `interrupted` where a signal came.
    public func identity(knownHashes: [String: String] = [:]) throws(Failure) -> String {
        var whole = SHA256()
        for name in checkpoint.tensorNames {
            try Signals.throwIfInterrupted()
            guard let tensor = checkpoint.tensor(named: name) else { fatalError("a checkpoint lost a tensor") }
            let shape = tensor.shape.map(String.init).joined(separator: "x")
            let digest = knownHashes[name] ?? SHA256.hexadecimalDigest(of: tensor.bytes)
            whole.update(Array("\(name) \(tensor.type.rawValue) \(shape) \(digest)\n".utf8))
        }
        try checkpoint.throwIfChanged()
        return whole.hexadecimalDigest()
    }

    private static func fileFailure(_ path: String) -> Failure {
        if path.hasSuffix(".gguf") {
            return Failure(
                .unsupported, "is a GGUF file; models are read from directories in Hugging Face layout",
                at: .init(file: path),
                remedy: "Use the original checkpoint in Hugging Face layout with safetensors weights")
        }
        return Failure(
            .badData, "is a regular file where a model directory is expected", at: .init(file: path),
            remedy: "Give the path of the directory that holds config.json and the weights")
    }

    private static func missingConfiguration(_ folder: ModelFolder) throws(Failure) -> Failure {
        if folder.contains("adapter_config.json") {
            return Failure(
                .inputMissing, "holds an adapter (adapter_config.json) and no model", at: .init(file: folder.path),
                remedy: "Give the base model's directory as the model, and this one as --adapter")
        }
        if try FileSystem.list(folder.canonicalPath).contains(where: { $0.hasSuffix(".gguf") }) {
            return try ForeignWeights.failure(folder)
        }
        return Failure(
            .inputMissing, "holds no config.json", at: .init(file: folder.path),
            remedy: "Give the path of a model directory in Hugging Face layout")
    }

    private static func refuseOwnCode(_ configuration: JSONObject, _ file: String) throws(Failure) {
        guard let map = configuration["auto_map"]?.object, map.count > 0 else { return }
        throw Failure(
            .unsupported, "the model brings its own Python code (\(listed(map.keys))), which is never run",
            at: .init(file: file, field: "auto_map"),
            remedy:
                "Use a version of the model that transformers supports by itself; if its model_type is one of ours, "
                + "remove auto_map from config.json")
    }
}
