public import System

/// A tensor of a checkpoint: its description and its bytes in a mapped file.
public struct StoredTensor: Sendable {
    public let entry: TensorEntry
    /// Keeps the bytes mapped.
    public let file: SafetensorsFile

    public var name: String { entry.name }
    public var type: TensorType { entry.type }
    public var shape: [Int] { entry.shape }
    public var byteCount: Int { entry.byteCount }
    public var elementCount: Int { entry.elementCount }
    /// Valid while `file` lives; at any alignment.
    public var bytes: UnsafeRawBufferPointer { file.bytes(of: entry) }

    /// The place for messages: file, tensor and offset of the data.
    public var place: Failure.Place {
        Failure.Place(file: file.path, tensor: name, byteOffset: entry.byteOffset)
    }
}

/// The weights of a model: one safetensors file, or shards with their index. Mapped, not read.
public final class Checkpoint: Sendable {
    /// The mapped files, sorted by name.
    public let files: [SafetensorsFile]
    /// The names of all tensors, sorted by bytes; aliases are not among them.
    public let tensorNames: [String]

    private let tensors: [TensorName: StoredTensor]
    private let aliases: [TensorName: String]
    private let components: [TensorName: [String]]

    /// Opens the weights of a directory: `model.safetensors`, else the shards of `model.safetensors.index.json`.
    ///
    /// - Throws: `Failure`: 66 no weights, 69 weights in another format, 65 malformed, 74 unreadable.
    public convenience init(directory path: String) throws(Failure) { try self.init(ModelFolder(path)) }

    convenience init(_ folder: ModelFolder) throws(Failure) {
        let single = "model.safetensors"
        if folder.contains(single) {
            try self.init([SafetensorsFile(folder.map(single))])
        } else if folder.contains(ShardIndex.fileName) {
            let index = try ShardIndex(folder)
            var files: [String: SafetensorsFile] = [:]
            for shard in index.shards {
                files[shard] = try SafetensorsFile(folder.map(shard, namedBy: ShardIndex.fileName))
            }
            try index.check(files, index: FileSystem.join(folder.path, ShardIndex.fileName))
            self.init(index.shards.compactMap { files[$0] })
        } else {
            throw try ForeignWeights.failure(folder)
        }
    }

    /// Opens one safetensors file of any name, an adapter's for instance; a link to it is followed.
    public convenience init(file path: String) throws(Failure) { try self.init([SafetensorsFile(path)]) }

    /// The files hold every tensor once.
    private init(_ files: [SafetensorsFile]) {
        var tensors: [TensorName: StoredTensor] = [:]
        var aliases: [TensorName: String] = [:]
        var components: [TensorName: [String]] = [:]
        for file in files {
            for entry in file.header.tensors {
                tensors[TensorName(entry.name)] = StoredTensor(entry: entry, file: file)
                if let split = Self.componentSplit(entry.name) {
                    components[TensorName(split.base), default: []].append(split.component)
                }
            }
        }
        // Writers that store a tied table once say in the metadata under which other name it is meant too.
        for file in files {
            for (key, value) in file.header.metadata
            where tensors[TensorName(key)] == nil && file.entry(named: value) != nil {
                aliases[TensorName(key)] = value
            }
        }
        self.files = files
        self.tensors = tensors
        self.aliases = aliases
        self.components = components
        tensorNames = tensors.keys.map(\.text).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The same files with parts of tensors under names of their own, in place of the tensors they are cut from.
    package func replacing(with slices: [TensorSlice]) -> Checkpoint { Checkpoint(self, slices) }

    private init(_ whole: Checkpoint, _ slices: [TensorSlice]) {
        var tensors = whole.tensors
        for slice in slices { tensors[TensorName(slice.source.name)] = nil }
        for slice in slices { tensors[TensorName(slice.name)] = slice.tensor }
        files = whole.files
        self.tensors = tensors
        aliases = whole.aliases
        components = whole.components
        tensorNames = tensors.keys.map(\.text).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// `M.weight` and `absmax` of `M.weight.absmax`, nil for a name without such a part.
    private static func componentSplit(_ name: String) -> (base: String, component: String)? {
        guard let range = name.utf8.lastRange(of: ".weight.") else { return nil }
        let component = String(name[range.upperBound...])
        return component.isEmpty ? nil : (String(name[..<range.lowerBound]) + ".weight", component)
    }

    /// The tensor of a name or of an alias, names compared by bytes.
    public func tensor(named name: String) -> StoredTensor? {
        if let tensor = tensors[TensorName(name)] { return tensor }
        return aliases[TensorName(name)].flatMap { tensors[TensorName($0)] }
    }

    /// The tensor of a name.
    ///
    /// - Throws: `Failure` of kind `badData` naming it and the names most like it.
    public func requiredTensor(named name: String) throws(Failure) -> StoredTensor {
        if let tensor = tensor(named: name) { return tensor }
        let last = name.split(separator: ".").suffix(2).joined(separator: ".")
        let similar = tensorNames.filter { $0.hasSuffix(last) }
        throw Failure(
            .badData, "the tensor is missing" + (similar.isEmpty ? "" : "; there are \(listed(similar))"),
            at: .init(file: place, tensor: name), remedy: "Check that the weights and config.json belong together")
    }

    /// Whether a module has a stored weight, under its own name or an alias.
    public func contains(module: String) -> Bool { tensor(named: module + ".weight") != nil }

    /// Whether a module's weight is stored in few bits, with parts beside it.
    public func isQuantized(module: String) -> Bool {
        tensor(named: module + ".weight").map { !componentNames(of: $0.name).isEmpty } ?? false
    }

    /// The parts stored beside a weight, `absmax` for `M.weight.absmax`.
    func componentNames(of weight: String) -> [String] { components[TensorName(weight)] ?? [] }

    /// The file, or the directory of the files, for messages.
    var place: String {
        files.count == 1 ? files[0].path : FileSystem.parent(files.first?.path ?? "")
    }

    /// Bytes of all tensors.
    public var byteCount: Int { files.reduce(0) { $0 + $1.file.byteCount - $1.header.dataOffset } }

    /// Refuses to go on with weights that changed since they were opened; one system call for each file.
    ///
    /// - Throws: `Failure` of kind `inputOutput` naming the file.
    public func throwIfChanged() throws(Failure) {
        for file in files { try file.file.throwIfChanged() }
    }

    /// Refuses tensors that nobody asked for.
    ///
    /// - Parameter expected: names of tensors and paths of modules; a module stands for its weight, its bias is a
    ///   tensor of its own. Parts of a quantized weight and buffers of rotary frequencies, which old files carry, may
    ///   be there.
    /// - Throws: `Failure` of kind `badData` that lists up to five names.
    public func checkNothingElse(than expected: [String]) throws(Failure) {
        let known = Set(expected.map(TensorName.init))
        let unexpected = tensorNames.filter { name in
            let base = Self.componentSplit(name)?.base ?? name
            if known.contains(TensorName(name)) || known.contains(TensorName(base)) { return false }
            if base.hasSuffix(".weight"), known.contains(TensorName(String(base.dropLast(".weight".count)))) {
                return false
            }
            return !name.hasSuffix("rotary_emb.inv_freq")
        }
        guard unexpected.isEmpty else {
            throw Failure(
                .badData,
                "\(unexpected.count) tensors do not belong to the model of config.json: \(listed(unexpected))",
                at: .init(file: place), remedy: "Check that the weights and config.json belong together")
        }
    }

    /// Refuses a checkpoint whose tensors are not exactly those expected.
    ///
    /// - Parameters:
    ///   - expected: as for `checkNothingElse(than:)`.
    ///   - ignored: likewise; these may be missing.
    /// - Throws: `Failure` of kind `badData` that lists up to five missing names, or up to five unexpected ones.
    public func check(expected: [String], ignored: [String] = []) throws(Failure) {
        let missing = expected.filter { tensor(named: $0) == nil && !contains(module: $0) }
        guard missing.isEmpty else {
            throw Failure(
                .badData, "\(missing.count) tensors of the model are missing: \(listed(missing))",
                at: .init(file: place), remedy: "Check that the weights and config.json belong together")
        }
        try checkNothingElse(than: expected + ignored)
    }
}

extension String.UTF8View {
    /// The last place where the bytes of a text occur.
    fileprivate func lastRange(of text: StaticString) -> Range<String.Index>? {
        let count = text.utf8CodeUnitCount
        let wanted = UnsafeBufferPointer(start: text.utf8Start, count: count)
        var end = endIndex
        while let start = index(end, offsetBy: -count, limitedBy: startIndex) {
            if self[start..<end].elementsEqual(wanted) { return start..<end }
            if end == startIndex { return nil }
            end = index(before: end)
        }
        return nil
    }
}
