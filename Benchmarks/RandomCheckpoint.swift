internal import Kernels
internal import ModelFiles
internal import Quantization
internal import System
internal import TestSupport

/// Writes model directories of real shapes with random weights, in bfloat16 or already quantized.
struct RandomCheckpoint {
    let shape: ModelShape

    /// Writes a bfloat16 checkpoint: matrices normal with deviation 0.02, norms one, biases zero, as transformers
    /// initialises models.
    func write(to path: String) throws(Failure) {
        try FileSystem.createDirectory(path)
        var tensors: [(name: String, shape: [Int], fill: UInt16?)] = [
            ("model.embed_tokens.weight", [shape.vocabulary, shape.width], nil)
        ]
        for layer in 0..<shape.layers {
            let prefix = "model.layers.\(layer)"
            tensors.append(("\(prefix).input_layernorm.weight", [shape.width], Self.one))
            tensors.append(("\(prefix).post_attention_layernorm.weight", [shape.width], Self.one))
            for linear in shape.linears {
                tensors.append(("\(prefix).\(linear.name).weight", [linear.outputs, linear.inputs], nil))
                if shape.hasBiases, ["q", "k", "v"].contains(where: { linear.name.hasSuffix(".\($0)_proj") }) {
                    tensors.append(("\(prefix).\(linear.name).bias", [linear.outputs], 0))
                }
            }
        }
        tensors.append(("model.norm.weight", [shape.width], Self.one))
        if !shape.tiesHead { tensors.append(("lm_head.weight", [shape.vocabulary, shape.width], nil)) }

        let writer = try CheckpointWriter(
            directory: path, tensors: tensors.map { TensorDeclaration(name: $0.name, type: .bfloat16, shape: $0.shape) }
        )
        var numbers = NormalNumbers(seed: 1)
        let piece = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: 1 << 20)
        defer { piece.deallocate() }
        for tensor in tensors {
            let count = tensor.shape.reduce(1, *)
            var done = 0
            while done < count {
                let part = UnsafeMutableBufferPointer(rebasing: piece[..<min(piece.count, count - done)])
                if let fill = tensor.fill { part.update(repeating: fill) } else { numbers.fill(part) }
                try writer.write(tensor.name, UnsafeRawBufferPointer(part), at: done * 2)
                done += part.count
            }
        }
        try writer.finish()
        try AtomicFile.write(
            JSONWriter.pretty.bytes(configuration) + [0x0A], to: FileSystem.join(path, "config.json"))
    }

    /// Writes the same weights as double-quantized NF4, by way of a bfloat16 directory beside it.
    func writeQuantized(to path: String, kernels: KernelTable, pool: WorkerPool) throws(Failure) {
        let source = path + ".bfloat16"
        try write(to: source)
        _ = try CheckpointQuantizer(
            ModelDirectory(source), options: QuantizationOptions(), kernels: kernels, pool: pool
        ).write(to: path)
        try FileSystem.removeTree(source)
    }

    private static let one: UInt16 = 0x3F80

    private var configuration: JSONValue {
        let name = shape.family == "qwen2" ? "Qwen2ForCausalLM" : "LlamaForCausalLM"
        return .object(
            JSONObject([
                ("architectures", .array([.string(name)])), ("model_type", .string(shape.family)),
                ("hidden_size", .integer(shape.width)), ("num_hidden_layers", .integer(shape.layers)),
                ("num_attention_heads", .integer(shape.queryHeads)),
                ("num_key_value_heads", .integer(shape.keyValueHeads)), ("head_dim", .integer(shape.headWidth)),
                ("intermediate_size", .integer(shape.feedForwardWidth)), ("vocab_size", .integer(shape.vocabulary)),
                ("tie_word_embeddings", .bool(shape.tiesHead)), ("max_position_embeddings", .integer(shape.positions)),
                ("rms_norm_eps", .double(shape.normEpsilon)), ("rope_theta", .double(shape.rotaryBase)),
                ("hidden_act", .string("silu")), ("torch_dtype", .string("bfloat16")),
            ]))
    }
}

/// bfloat16 numbers of a normal distribution with deviation 0.02: 65,536 quantiles, drawn evenly.
private struct NormalNumbers {
    private let quantiles: [UInt16]
    private var state: UInt64

    init(seed: UInt64) {
        state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        // The sum of twelve evenly drawn numbers, less six, has deviation one and is as good as normal here.
        var draws = state
        quantiles = (0..<1 << 16).map { _ in
            var sum: Float = -6
            for _ in 0..<12 {
                draws = draws &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                sum += Float(draws >> 40) * 0x1p-24
            }
            return UInt16((sum * 0.02).bitPattern >> 16)
        }
    }

    mutating func fill(_ buffer: UnsafeMutableBufferPointer<UInt16>) {
        var state = state
        quantiles.withUnsafeBufferPointer { quantiles in
            for index in buffer.indices {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                buffer[index] = quantiles[Int(state >> 48)]
            }
        }
        self.state = state
    }
}
