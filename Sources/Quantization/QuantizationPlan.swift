internal import ModelFiles
internal import QuantFormats
internal import System

/// What becomes of each tensor of a checkpoint, known before any weight is read.
struct QuantizationPlan {
    /// One tensor of the source.
    struct Item {
        let tensor: StoredTensor
        /// nil: copied as it is.
        let target: Target?
        /// Whether it is quantized as the transpose of what is stored.
        var isTransposed = false
    }

    /// How a tensor is quantized.
    struct Target {
        let format: QuantFormat
        let sourceType: SourceType
        let blockSize: Int
        let isDoubleQuantized: Bool

        func blockCount(_ count: Int) -> Int { count / blockSize + (count % blockSize == 0 ? 0 : 1) }
    }

    /// In the order of writing: layers in their numerical order.
    let items: [Item]
    /// Linears that stay as they are, for `llm_int8_skip_modules`; the head included where it is stored.
    let keptLinears: [String]
    /// Whether any weight is quantized.
    let hasTargets: Bool
    /// Whether transformers can load what is written.
    let isReadByTransformers: Bool
    /// Where the embedding table is stored, if it is to stay as it is.
    let keptEmbedding: StoredTensor?

    /// Decides for every tensor.
    ///
    /// - Throws: `Failure`: 64 a pattern that matches nothing, 69 a linear of a type that is not quantized, 65 one that
    ///   is no matrix.
    init(_ model: ModelDirectory, roles: WeightRoles, options: QuantizationOptions) throws(Failure) {
        let checkpoint = roles.checkpoint
        let modules = checkpoint.tensorNames.filter { $0.hasSuffix(".weight") }.map { String($0.dropLast(7)) }
        let filter = try ModuleFilter(options.keep, option: "--keep", modules: modules)
        var items: [Item] = []
        var kept: [String] = []
        for name in checkpoint.tensorNames.sorted(by: Self.precedes) {
            let tensor = try checkpoint.requiredTensor(named: name)
            let module = name.hasSuffix(".weight") ? String(name.dropLast(7)) : nil
            var format: QuantFormat?
            if let module, roles.linears.contains(module) {
                format = filter.matches(module) ? nil : options.format
                // transformers leaves experts as they are by itself, and older versions by the path of all of a layer.
                if format == nil, !kept.contains(roles.experts[module] ?? "") {
                    kept.append(roles.experts[module] ?? module)
                }
            } else if let module, module == roles.embedding {
                format = filter.matches(module) ? nil : options.embeddingFormat
            } else if module == roles.head {
                // A copy of a tied table has no use where the table is stored in few bits.
                if roles.tiesHead, options.embeddingFormat != nil { continue }
                kept.append(roles.head)
            }
            let target = try format.map { (format) throws(Failure) in try Self.target(tensor, format, options) }
            let isLinear = module.map(roles.linears.contains) ?? false
            items.append(
                Item(
                    tensor: tensor, target: target, isTransposed: isLinear && roles.areTransposed && target != nil))
        }
        self.items = items
        // The list replaces what transformers leaves alone by itself, so the head is in it even if it is tied.
        keptLinears = kept.contains(roles.head) ? kept : kept + [roles.head]
        hasTargets = items.contains { $0.target != nil }
        isReadByTransformers =
            options.isReadByTransformers && roles.areQuantizedByTransformers
            && !items.contains { $0.target != nil && roles.experts[String($0.tensor.name.dropLast(7))] != nil }
        let embedding = checkpoint.tensor(named: roles.embedding + ".weight")
        keptEmbedding = items.contains { $0.tensor.name == embedding?.name && $0.target == nil } ? embedding : nil
    }

    private static func target(_ tensor: StoredTensor, _ format: QuantFormat, _ options: QuantizationOptions)
        throws(Failure) -> Target
    {
        guard let type = SourceType(rawValue: tensor.type.torchName) else {
            throw Failure(
                .unsupported, "is stored as \(tensor.type.rawValue); F32, BF16 and F16 weights can be quantized",
                at: tensor.place, remedy: "Use the original checkpoint in one of these types")
        }
        guard tensor.shape.count == 2, tensor.elementCount > 0 else {
            throw Failure(
                .badData, "has the shape \(tensor.shape) where a matrix is expected", at: tensor.place,
                remedy: "Check that the weights and config.json belong together")
        }
        return Target(
            format: format, sourceType: type, blockSize: options.blockSize,
            isDoubleQuantized: options.isDoubleQuantized && format.canDoubleQuantize)
    }

    /// Names by components, numbers by value: layer 2 before layer 10.
    private static func precedes(_ left: String, _ right: String) -> Bool {
        let leftParts = left.split(separator: "."), rightParts = right.split(separator: ".")
        for (a, b) in zip(leftParts, rightParts) where a != b {
            if let x = Int(a), let y = Int(b), x != y { return x < y }
            return a.utf8.lexicographicallyPrecedes(b.utf8)
        }
        return leftParts.count < rightParts.count
    }
}

extension QuantizationPlan.Item {
    var name: String { tensor.name }

    /// The tensors that are written for it, the weight first, as far as their sizes are known.
    var declarations: [TensorDeclaration] {
        guard let target else { return [TensorDeclaration(tensor.entry)] }
        let count = tensor.elementCount, blocks = target.blockCount(count)
        func part(_ component: String, _ type: TensorType, _ count: Int) -> TensorDeclaration {
            TensorDeclaration(name: "\(name).\(component)", type: type, shape: [count])
        }
        var parts = [
            TensorDeclaration(
                name: name, type: target.format.codeBits == 8 ? .signed8 : .unsigned8,
                shape: [target.format.codeByteCount(count), 1])
        ]
        if target.isDoubleQuantized {
            parts.append(part(BlockwiseLayout.absmax, .unsigned8, blocks))
            parts.append(part(BlockwiseLayout.nestedAbsmax, .float32, (blocks - 1) / NestedScales.blockSize + 1))
            parts.append(part(BlockwiseLayout.nestedQuantMap, .float32, NestedScales.map.count))
        } else {
            parts.append(part(BlockwiseLayout.absmax, .float32, blocks))
            parts.append(part(stateComponent, .unsigned8, state(nestedOffset: nil).count))
        }
        if case .table4 = target.format.coding { parts.append(part(BlockwiseLayout.quantMap, .float32, 16)) }
        return parts
    }

    /// The tensor whose size depends on the weights: the JSON text where it holds an offset.
    var lateDeclaration: LateTensorDeclaration? {
        guard let target, target.isDoubleQuantized else { return nil }
        // Python's longest float has 24 characters; 0 has three of them.
        let size = state(nestedOffset: 0).count + 24
        return LateTensorDeclaration(name: "\(name).\(stateComponent)", maximumByteCount: size)
    }

    var stateComponent: String { BlockwiseLayout.stateComponent(format: target?.format.name ?? "") }

    /// The JSON text beside the weight.
    func state(nestedOffset: Float?) -> [UInt8] {
        guard let target else { return [] }
        return QuantState(
            format: target.format.name, blockSize: target.blockSize, sourceType: target.sourceType,
            shape: isTransposed ? tensor.shape.reversed() : tensor.shape, nestedOffset: nestedOffset
        ).bytes
    }
}
