internal import System

/// `model.safetensors.index.json`: which shard holds which tensor.
struct ShardIndex {
    static let fileName = "model.safetensors.index.json"

    /// In the order of the index.
    let entries: [(tensor: String, shard: String)]
    /// Names of the shards, sorted by bytes.
    let shards: [String]

    /// Reads an index; shard names are checked before any of them is opened.
    init(_ folder: ModelFolder) throws(Failure) {
        let place = FileSystem.join(folder.path, Self.fileName)
        let object = try folder.readJSONObject(Self.fileName, limit: 256 << 20)
        guard let map = object["weight_map"] else {
            throw Failure(.badData, "the field is missing", at: .init(file: place, field: "weight_map"))
        }
        guard let members = map.object?.members else {
            throw Failure(
                .badData, "holds \(map.kindName) where an object of tensor and file names is expected",
                at: .init(file: place, field: "weight_map"))
        }
        guard !members.isEmpty else {
            throw Failure(.badData, "names no tensor", at: .init(file: place, field: "weight_map"))
        }
        var entries: [(tensor: String, shard: String)] = []
        var shards: Set<String> = []
        for member in members {
            guard let shard = member.value.string else {
                throw Failure(
                    .badData, "holds \(member.value.kindName) where a file name is expected",
                    at: .init(file: place, tensor: member.key, field: "weight_map"))
            }
            if !shards.contains(shard) {
                try ModelFolder.checkShardName(shard, index: place, tensor: member.key)
                shards.insert(shard)
            }
            entries.append((member.key, shard))
        }
        self.entries = entries
        self.shards = shards.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Refuses shards whose headers do not hold exactly what the index says, each tensor once.
    ///
    /// - Parameter files: by shard name.
    func check(_ files: [String: SafetensorsFile], index place: String) throws(Failure) {
        var shardOf: [TensorName: String] = [:]
        for entry in entries {
            shardOf[TensorName(entry.tensor)] = entry.shard
            if files[entry.shard]?.entry(named: entry.tensor) == nil {
                throw Failure(
                    .badData, "the index says that \(entry.shard) holds the tensor, but it does not",
                    at: .init(file: place, tensor: entry.tensor),
                    remedy: "Fetch the index and the shards again, together")
            }
        }
        for shard in shards {
            for tensor in files[shard]?.header.tensors ?? [] {
                guard let named = shardOf[TensorName(tensor.name)] else {
                    throw Failure(
                        .badData, "\(shard) holds the tensor, but the index does not name it",
                        at: .init(file: place, tensor: tensor.name),
                        remedy: "Fetch the index and the shards again, together")
                }
                if named != shard {
                    throw Failure(
                        .badData, "both \(named) and \(shard) hold the tensor",
                        at: .init(file: place, tensor: tensor.name),
                        remedy: "Fetch the index and the shards again, together")
                }
            }
        }
    }
}
