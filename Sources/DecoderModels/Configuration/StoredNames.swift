package import ModelFiles

/// Under which names a checkpoint stores the weights of a model: a tied table is stored once, under either name, and old
/// files of some families leave the root of the paths out.
package struct StoredNames: Sendable {
    /// What paths begin with and stored names do not.
    private let missingRoot: String?
    private let embeddingModule: String
    /// The module under which the embedding's table is stored.
    package let embedding: String
    /// Modules and tensors that may be there and have no use: the copy of a tied table, buffers of old files.
    package let ignored: [String]

    package init(_ configuration: DecoderConfiguration, _ checkpoint: Checkpoint) {
        let names = configuration.names, module = configuration.embeddingModule
        let isRootless = !checkpoint.contains(module: module) && checkpoint.contains(module: names.embedding)
        let root = isRootless ? names.root + "." : nil
        func stored(_ path: String) -> String { Self.stored(path, without: root) }
        let table = stored(module)
        // A file's metadata may know the table by a name under which nothing is stored: the name of the tensor counts.
        let tableName = checkpoint.tensor(named: table + ".weight")?.name
        let isUnderHead =
            configuration.tiesHead && tableName != table + ".weight" && checkpoint.contains(module: names.head)
        missingRoot = root
        embeddingModule = module
        embedding = isUnderHead ? names.head : table
        let buffers = (0..<configuration.layerCount).flatMap { layer in
            names.buffers.map { stored("\(configuration.layerModule(layer)).\($0)") }
        }
        ignored = (configuration.tiesHead ? [names.head, table] : []) + buffers
    }

    /// The stored module of a module's path; the tensor of a path likewise.
    package func stored(_ path: String) -> String {
        path == embeddingModule ? embedding : Self.stored(path, without: missingRoot)
    }

    /// The name of the tensor that a weight is stored as.
    package func tensor(_ weight: ModelWeight) -> String {
        stored(weight.module) + (weight.role == .bias ? ".bias" : ".weight")
    }

    private static func stored(_ path: String, without root: String?) -> String {
        guard let root, path.hasPrefix(root) else { return path }
        return String(path.dropFirst(root.count))
    }
}
