internal import Adapters
internal import Kernels
internal import Layers
package import ModelFiles
package import System
internal import Tensors

extension DecoderModel {
    /// Maps the weights of a model directory and checks that they are exactly those its configuration asks for.
    ///
    /// Nothing is read that a computation does not need: matrices stay in the file, vectors and learned positions are
    /// converted to float32.
    package static func load(_ directory: ModelDirectory) throws(Failure) -> DecoderModel {
        let reader = ConfigurationReader(fields: directory.configuration, file: directory.configurationFile)
        let configuration = try Architectures.configuration(reader)
        let checkpoint = try configuration.separatingExperts(directory.checkpoint)
        var loader = Loader(checkpoint: checkpoint, shape: configuration)
        let model = try loader.model()
        try checkpoint.checkNothingElse(than: loader.expected)
        return model
    }
}

/// Collects the tensors of one model.
private struct Loader {
    let checkpoint: Checkpoint
    let shape: DecoderConfiguration
    let names: StoredNames
    /// Modules and tensors that the architecture has.
    var expected: [String]
    var storage = StorageSummary()
    var owners: [AnyObject] = []

    init(checkpoint: Checkpoint, shape: DecoderConfiguration) {
        self.checkpoint = checkpoint
        self.shape = shape
        names = StoredNames(shape, checkpoint)
        expected = names.ignored
    }

    mutating func model() throws(Failure) -> DecoderModel {
        let table = try matrix(shape.embeddingModule, rows: shape.vocabularySize, columns: shape.width)
        let headPath = shape.names.head
        let head = shape.tiesHead ? table : try matrix(headPath, rows: shape.vocabularySize, columns: shape.width)
        let headBias =
            shape.names.headHasBias ? try floats("\(headPath).bias", shape: [shape.vocabularySize]).base : nil
        let positions = try shape.positionsModule.map { (module) throws(Failure) in
            let table = try floats("\(module).weight", shape: [shape.maximumPositions, shape.width])
            return FloatMatrix(
                base: UnsafeMutablePointer(mutating: table.base), rows: shape.maximumPositions, columns: shape.width)
        }
        let rotaries = shape.rotaries.map {
            RotaryEmbedding(
                scheme: $0.scheme, headWidth: shape.headWidth, width: $0.parameters.width, pairing: shape.rotaryPairing)
        }
        var blocks: [DecoderBlock] = []
        for layer in 0..<shape.layerCount { blocks.append(try block(layer, rotaries)) }
        let finalNorm = try norm(shape.normWeights(shape.finalNormModule), in: nil)
        return DecoderModel(
            configuration: shape, embedding: table, positions: positions, blocks: blocks, finalNorm: finalNorm,
            head: AdaptedLinear(path: headPath, base: FrozenLinear(matrix: head, bias: headBias, owner: owners)),
            storage: storage, owners: owners)
    }

    private mutating func block(_ layer: Int, _ rotaries: [RotaryEmbedding]) throws(Failure) -> DecoderBlock {
        let path = shape.layerModule(layer), specifications = shape.linears(of: layer)
        var linears: [AdaptedLinear] = []
        for linear in specifications {
            if let experts = shape.experts(of: layer), linear.role == .router {
                linears.append(try router(experts, path))
            } else {
                linears.append(try self.linear("\(path).\(linear.name)", linear))
            }
        }
        return DecoderBlock(
            norms: try norms(path), linears: linears, places: LinearPlaces(specifications),
            attention: AttentionShape(
                queryHeads: shape.queryHeads, keyValueHeads: shape.keyValueHeads, headWidth: shape.headWidth,
                scale: shape.attentionScales[layer], window: shape.windows[layer], softCap: shape.scoreCap),
            rotary: shape.rotaryOfLayer[layer].map { rotaries[$0] }, design: BlockDesign(shape),
            experts: try shape.experts(of: layer).map { (design) throws(Failure) in try experts(design, path) })
    }

    /// The router of a layer. It chooses, so it computes in float32 whatever the type of other products is.
    private mutating func router(_ design: ExpertsDesign, _ path: String) throws(Failure) -> AdaptedLinear {
        let names = design.names, module = "\(path).\(names.oldRouter)"
        let site = AdapterSite(
            path: "\(path).\(names.router)", inputs: shape.width, outputs: design.count,
            role: .router(oldPath: names.oldRouter == names.router ? nil : module))
        return AdaptedLinear(
            site: site, parts: [try frozen(module, rows: design.count, columns: shape.width)], computeType: .float32)
    }

    private mutating func experts(_ design: ExpertsDesign, _ path: String) throws(Failure) -> SparseFeedForward {
        let names = design.names
        let stack = (path: "\(path).\(names.experts)", role: AdapterSite.ExpertRole.stack(count: design.count))
        let gateUpSite = AdapterSite(
            path: "\(stack.path).\(ExpertNames.stackedGateUp)", inputs: shape.width, outputs: 2 * design.width,
            role: stack.role)
        let downSite = AdapterSite(
            path: "\(stack.path).\(ExpertNames.stackedDown)", inputs: design.width, outputs: shape.width,
            role: stack.role)
        var experts: [SparseFeedForward.Expert] = []
        for index in 0..<design.count {
            let module = "\(path).\(names.oldExperts).\(index)"
            func site(_ name: String, _ inputs: Int, _ outputs: Int) -> AdapterSite {
                AdapterSite(path: "\(module).\(name)", inputs: inputs, outputs: outputs, role: .expert)
            }
            let gate = try frozen("\(module).\(names.gate)", rows: design.width, columns: shape.width)
            let up = try frozen("\(module).\(names.up)", rows: design.width, columns: shape.width)
            let down = try frozen("\(module).\(names.down)", rows: shape.width, columns: design.width)
            experts.append(
                SparseFeedForward.Expert(
                    gate: AdaptedLinear(site: site(names.gate, shape.width, design.width), parts: [gate]),
                    up: AdaptedLinear(site: site(names.up, shape.width, design.width), parts: [up]),
                    down: AdaptedLinear(site: site(names.down, design.width, shape.width), parts: [down]),
                    stackedGateUp: AdaptedLinear(site: gateUpSite, parts: [gate, up]),
                    stackedDown: AdaptedLinear(site: downSite, parts: [down])))
        }
        return SparseFeedForward(design: design, activation: shape.activation, experts: experts)
    }

    private mutating func frozen(_ path: String, rows: Int, columns: Int) throws(Failure) -> FrozenLinear {
        let matrix = try matrix(path, rows: rows, columns: columns)
        return FrozenLinear(matrix: matrix, owner: Array(owners.suffix(1)))
    }

    private mutating func norms(_ path: String) throws(Failure) -> BlockNorms {
        let modules = shape.names
        var norms = BlockNorms()
        norms.input = try residualNorm(modules.inputNorm, path)
        norms.feedForward = try residualNorm(modules.feedForwardNorm, path)
        norms.attentionOutput = try residualNorm(modules.attentionOutputNorm, path)
        norms.feedForwardOutput = try residualNorm(modules.feedForwardOutputNorm, path)
        if let module = modules.queryNorm, let weights = shape.headNormWeights(module, heads: shape.queryHeads) {
            norms.query = try norm(weights, in: path)
        }
        if let module = modules.keyNorm, let weights = shape.headNormWeights(module, heads: shape.keyValueHeads) {
            norms.key = try norm(weights, in: path)
        }
        return norms
    }

    private mutating func residualNorm(_ module: String?, _ path: String) throws(Failure) -> Norm? {
        guard let module else { return nil }
        return try norm(shape.normWeights(module), in: path)
    }

    private mutating func matrix(_ path: String, rows: Int, columns: Int) throws(Failure) -> StoredMatrix {
        let stored = names.stored(path)
        let loaded = try checkpoint.storedMatrix(module: stored, rows: rows, columns: columns)
        expected.append(stored)
        storage.add(loaded.format, loaded.byteCount)
        owners.append(loaded)
        return loaded.matrix
    }

    private mutating func linear(_ path: String, _ linear: LayerLinear) throws(Failure) -> AdaptedLinear {
        // What is quantized is stored [outputs, inputs] by every family.
        let isTransposed = shape.storesTransposed && !checkpoint.isQuantized(module: names.stored(path))
        let matrix = try matrix(
            path, rows: isTransposed ? linear.inputs : linear.outputs,
            columns: isTransposed ? linear.outputs : linear.inputs)
        let bias = linear.hasBias ? try floats("\(path).bias", shape: [linear.outputs]).base : nil
        return AdaptedLinear(
            path: path,
            base: FrozenLinear(
                matrix: matrix, isTransposed: isTransposed, bias: bias, owner: Array(owners.suffix(2))))
    }

    private mutating func norm(_ weights: LayerNormWeights, in path: String?) throws(Failure) -> Norm {
        let first = owners.count
        func name(_ module: String) -> String { path.map { "\($0).\(module)" } ?? module }
        let weight = try joined(weights, ".weight", name)
        let bias = weights.design.hasBias ? try joined(weights, ".bias", name) : nil
        return Norm(
            kind: weights.design.kind, weight: weight, bias: bias, width: weights.width, weightRows: weights.rows,
            epsilon: shape.normEpsilon, owners: Array(owners[first...]))
    }

    /// The vectors of the modules of a norm behind each other; a weight around one with the one added.
    private mutating func joined(_ weights: LayerNormWeights, _ part: String, _ name: (String) -> String)
        throws(Failure) -> UnsafePointer<Float>
    {
        let addsOne = if case .rootMeanSquareAroundOne = weights.design { part == ".weight" } else { false }
        guard weights.modules.count > 1 || addsOne else {
            return try floats(name(weights.modules[0]) + part, shape: weights.shape).base
        }
        var elements: [Float] = []
        for module in weights.modules {
            elements += try floats(name(module) + part, shape: weights.shape).elements
        }
        let owner = FloatVector(elements.map { addsOne ? 1 + $0 : $0 })
        owners.append(owner)
        return owner.base
    }

    private mutating func floats(_ path: String, shape: [Int]) throws(Failure) -> FloatVector {
        let stored = names.stored(path)
        let vector = try checkpoint.floats(named: stored, shape: shape)
        expected.append(stored)
        storage.add("float32", vector.count * MemoryLayout<Float>.stride)
        owners.append(vector)
        return vector
    }
}
