public import System

/// Writes the weights of a model directory: `model.safetensors`, or shards and their index where they are larger than
/// one shard may be.
public final class CheckpointWriter {
    /// What transformers' `save_pretrained` takes: 50 GB, decimal.
    public static let defaultShardByteCount = 50_000_000_000

    private struct Shard {
        let fileName: String
        let tensors: [TensorDeclaration]
        let late: [LateTensorDeclaration]
        var writer: SafetensorsWriter?
    }

    private let directory: String
    private let metadata: [(key: String, value: String)]
    private var shards: [Shard]
    private let shardOfTensor: [TensorName: Int]
    private let parameterCount: Int
    private var totalByteCount: Int
    /// How files that outlast the process are written; nil where they do not.
    private var unfinished: (any FileOperations)?

    /// Plans the shards: filled greedily in the order given, a tensor larger than a shard alone in its own.
    ///
    /// - Parameters:
    ///   - directory: exists.
    ///   - tensors: in the order of the model's state dictionary.
    ///   - late: tensors of a size known later, each with the declared tensor whose shard it goes to.
    ///   - maximumShardByteCount: the most bytes of data in a shard.
    ///   - parameterCount: the model's parameters for the index; nil counts elements as stored.
    ///   - metadata: of every file.
    /// - Throws: `Failure` of kind `badData` where two tensors have one name or a shape is impossible.
    public init(
        directory: String, tensors: [TensorDeclaration], late: [(tensor: LateTensorDeclaration, beside: String)] = [],
        maximumShardByteCount: Int = defaultShardByteCount, parameterCount: Int? = nil,
        metadata: [(key: String, value: String)] = [("format", "pt")]
    ) throws(Failure) {
        var groups: [[TensorDeclaration]] = []
        var current: [TensorDeclaration] = []
        var currentByteCount = 0, total = 0, elements = 0
        for tensor in tensors {
            let byteCount = try tensor.byteCount()
            let (sum, overflow) = total.addingReportingOverflow(byteCount)
            guard !overflow else {
                throw Failure(.badData, "the tensors take more bytes than a disk can have", at: .init(file: directory))
            }
            total = sum
            elements &+= tensor.shape.reduce(1, &*)
            if byteCount > maximumShardByteCount {
                groups.append([tensor])
                continue
            }
            if currentByteCount + byteCount > maximumShardByteCount {
                groups.append(current)
                (current, currentByteCount) = ([], 0)
            }
            current.append(tensor)
            currentByteCount += byteCount
        }
        if !current.isEmpty || groups.isEmpty { groups.append(current) }
        var shardOfTensor: [TensorName: Int] = [:]
        for (index, group) in groups.enumerated() {
            for tensor in group where shardOfTensor.updateValue(index, forKey: TensorName(tensor.name)) != nil {
                throw Failure(
                    .badData, "two tensors of one name would be written",
                    at: .init(file: directory, tensor: tensor.name))
            }
        }
        var lateOfShard = [[LateTensorDeclaration]](repeating: [], count: groups.count)
        for (tensor, beside) in late {
            guard let shard = shardOfTensor[TensorName(beside)] else {
                fatalError("the late tensor \(tensor.name) stands beside \(beside), which was not declared")
            }
            guard shardOfTensor.updateValue(shard, forKey: TensorName(tensor.name)) == nil else {
                throw Failure(
                    .badData, "two tensors of one name would be written",
                    at: .init(file: directory, tensor: tensor.name))
            }
            lateOfShard[shard].append(tensor)
        }
        shards = groups.enumerated().map { index, group in
            let name =
                groups.count == 1
                ? "model.safetensors" : "model-\(Self.padded(index + 1))-of-\(Self.padded(groups.count)).safetensors"
            return Shard(fileName: name, tensors: group, late: lateOfShard[index])
        }
        self.directory = directory
        self.metadata = metadata
        self.shardOfTensor = shardOfTensor
        self.parameterCount = parameterCount ?? elements
        totalByteCount = total
    }

    /// Names of the weight files in order.
    public var fileNames: [String] { shards.map(\.fileName) }

    /// Writes bytes of a declared tensor; see `SafetensorsWriter.write`.
    public func write(_ name: String, _ bytes: UnsafeRawBufferPointer, at offset: Int = 0) throws(Failure) {
        let shard = try open(name)
        try shards[shard].writer?.write(name, bytes, at: offset)
    }

    /// Writes all of a late tensor.
    public func writeLate(_ name: String, _ bytes: [UInt8]) throws(Failure) {
        let shard = try open(name)
        try shards[shard].writer?.writeLate(name, bytes)
        totalByteCount += bytes.count
    }

    // MARK: - What a former process wrote

    /// Lets the files outlast the process unfinished, and opens what a former one left of them. To be called before
    /// anything is written.
    package func keepUnfinished(_ operations: any FileOperations) { unfinished = operations }

    /// Takes tensors as written that a former process wrote, if all of them are whole: reads and hashes their bytes.
    ///
    /// - Parameter tensors: late ones in the order in which they were written.
    /// - Returns: whether they were; if not, nothing has changed and they are to be written.
    package func adopt(_ tensors: [WrittenTensor]) throws(Failure) -> Bool {
        for tensor in tensors {
            guard shardOfTensor[TensorName(tensor.name)] != nil else { return false }
            let shard = try open(tensor.name)
            guard try shards[shard].writer?.holds(tensor) == true else { return false }
        }
        for tensor in tensors {
            let shard = try open(tensor.name)
            if shards[shard].writer?.adopt(tensor) == true { totalByteCount += tensor.byteCount }
        }
        return true
    }

    /// Makes what was written so far durable; see `UnfinishedFile.synchronize`.
    package func synchronize() throws(Failure) {
        for shard in shards { try shard.writer?.synchronize() }
    }

    /// Finishes all files, and writes the index where there are several.
    public func finish() throws(Failure) {
        for index in shards.indices {
            if shards[index].writer == nil { shards[index].writer = try makeWriter(index) }
            try shards[index].writer?.finish()
            shards[index].writer = nil
        }
        guard shards.count > 1 else { return }
        let weightMap = shardOfTensor.map { ($0.key.text, JSONValue.string(shards[$0.value].fileName)) }
        let index = JSONObject([
            (
                "metadata",
                .object(
                    JSONObject([
                        ("total_parameters", .integer(parameterCount)), ("total_size", .integer(totalByteCount)),
                    ]))
            ),
            ("weight_map", .object(JSONObject(weightMap))),
        ])
        let writer = JSONWriter(indent: 2, itemSeparator: ",", sortsKeys: true, escapesNonASCII: true)
        try AtomicFile.write(
            writer.bytes(.object(index)) + [0x0A], to: FileSystem.join(directory, "model.safetensors.index.json"))
    }

    private func makeWriter(_ index: Int) throws(Failure) -> SafetensorsWriter {
        try SafetensorsWriter(
            FileSystem.join(directory, shards[index].fileName), tensors: shards[index].tensors,
            late: shards[index].late, metadata: metadata, unfinished: unfinished)
    }

    /// The shard of a tensor, its file created.
    private func open(_ name: String) throws(Failure) -> Int {
        guard let index = shardOfTensor[TensorName(name)] else {
            fatalError("the tensor \(name) was not declared to its writer")
        }
        if shards[index].writer == nil { shards[index].writer = try makeWriter(index) }
        return index
    }

    private static func padded(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
}
