internal import Adapters
internal import Kernels
internal import Layers
package import ModelFiles
package import System

extension DecoderModel {
    /// Maps the weights of a model directory and checks that they are exactly those its configuration asks for.
    ///
    /// Nothing is read that a computation does not need: matrices stay in the file, vectors are converted to float32.
    package static func load(_ directory: ModelDirectory) throws(Failure) -> DecoderModel {
        let reader = ConfigurationReader(fields: directory.configuration, file: directory.configurationFile)
        let configuration = try Architectures.configuration(reader)
        var loader = Loader(checkpoint: directory.checkpoint, shape: configuration)
        let model = try loader.model()
        try directory.checkpoint.checkNothingElse(than: loader.expected)
        return model
    }
}

/// Collects the tensors of one model.
private struct Loader {
    let checkpoint: Checkpoint
    let shape: DecoderConfiguration
    /// Modules and tensors that the architecture has.
    var expected: [String] = []
    var storage = StorageSummary()
    var owners: [AnyObject] = []

    init(checkpoint: Checkpoint, shape: DecoderConfiguration) {
        self.checkpoint = checkpoint
        self.shape = shape
    }

    mutating func model() throws(Failure) -> DecoderModel {
        let embeddingPath = "model.embed_tokens", headPath = "lm_head"
        // A tied table is stored once, under either name.
        let storedPath =
            shape.tiesHead && !checkpoint.contains(module: embeddingPath) && checkpoint.contains(module: headPath)
            ? headPath : embeddingPath
        let table = try matrix(storedPath, rows: shape.vocabularySize, columns: shape.width)
        var head = table
        if shape.tiesHead {
            expected.append(headPath)
        } else {
            head = try matrix(headPath, rows: shape.vocabularySize, columns: shape.width)
        }
        let rotary = RotaryEmbedding(
            scheme: shape.rotaryScheme, headWidth: shape.headWidth, width: shape.rotary.width)
        var blocks: [DecoderBlock] = []
        for layer in 0..<shape.layerCount { blocks.append(try block(layer, rotary)) }
        let finalNorm = try norm("model.norm.weight")
        return DecoderModel(
            configuration: shape, embedding: table, blocks: blocks, finalNorm: finalNorm,
            head: AdaptedLinear(path: headPath, base: FrozenLinear(matrix: head, owner: owners)), storage: storage,
            owners: owners)
    }

    private mutating func block(_ layer: Int, _ rotary: RotaryEmbedding) throws(Failure) -> DecoderBlock {
        let path = "model.layers.\(layer)"
        let queryWidth = shape.queryHeads * shape.headWidth, keyWidth = shape.keyValueHeads * shape.headWidth
        let width = shape.width, inner = shape.feedForwardWidth, biases = shape.biases
        return DecoderBlock(
            inputNorm: try norm("\(path).input_layernorm.weight"),
            postAttentionNorm: try norm("\(path).post_attention_layernorm.weight"),
            query: try linear("\(path).self_attn.q_proj", width, queryWidth, bias: biases.query),
            key: try linear("\(path).self_attn.k_proj", width, keyWidth, bias: biases.key),
            value: try linear("\(path).self_attn.v_proj", width, keyWidth, bias: biases.value),
            output: try linear("\(path).self_attn.o_proj", queryWidth, width, bias: biases.output),
            gate: try linear("\(path).mlp.gate_proj", width, inner, bias: biases.feedForward),
            up: try linear("\(path).mlp.up_proj", width, inner, bias: biases.feedForward),
            down: try linear("\(path).mlp.down_proj", inner, width, bias: biases.feedForward),
            attention: AttentionShape(
                queryHeads: shape.queryHeads, keyValueHeads: shape.keyValueHeads, headWidth: shape.headWidth,
                scale: 1 / Float(shape.headWidth).squareRoot(), window: shape.windows[layer], softCap: nil),
            rotary: rotary)
    }

    private mutating func matrix(_ path: String, rows: Int, columns: Int) throws(Failure) -> StoredMatrix {
        let loaded = try checkpoint.storedMatrix(module: path, rows: rows, columns: columns)
        expected.append(path)
        storage.add(loaded.format, loaded.byteCount)
        owners.append(loaded)
        return loaded.matrix
    }

    private mutating func linear(_ path: String, _ inputs: Int, _ outputs: Int, bias: Bool) throws(Failure)
        -> AdaptedLinear
    {
        let matrix = try matrix(path, rows: outputs, columns: inputs)
        let vector = bias ? try self.vector("\(path).bias", count: outputs) : nil
        return AdaptedLinear(
            path: path, base: FrozenLinear(matrix: matrix, bias: vector, owner: Array(owners.suffix(2))))
    }

    private mutating func norm(_ name: String) throws(Failure) -> RMSNorm {
        RMSNorm(
            weight: try vector(name, count: shape.width), width: shape.width, epsilon: shape.normEpsilon,
            owner: owners.last)
    }

    private mutating func vector(_ name: String, count: Int) throws(Failure) -> UnsafePointer<Float> {
        let vector = try checkpoint.vector(named: name, count: count)
        expected.append(name)
        storage.add("float32", count * MemoryLayout<Float>.stride)
        owners.append(vector)
        return vector.base
    }
}
