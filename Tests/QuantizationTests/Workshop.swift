import Kernels
import ModelFiles
import QuantFormats
import Quantization
import System
import TestSupport

/// Quantizes models into a directory of its own, removed with the object.
final class Workshop {
    let directory = TemporaryDirectory()
    let kernels = KernelTable(InstructionSet.supported.last ?? .portable)

    var output: String { directory.file("out") }

    static func fixture(_ name: String) -> String { Fixtures.modelsDirectory + "/" + name }

    @discardableResult func quantize(
        _ model: String, _ options: QuantizationOptions = QuantizationOptions(), threads: Int = 2,
        to path: String? = nil
    ) throws -> CheckpointQuantizer.Result {
        try CheckpointQuantizer(
            ModelDirectory(model), options: options, kernels: kernels, pool: WorkerPool(threadCount: threads)
        ).write(to: path ?? output)
    }

    /// The names in the directory, hidden ones too.
    var names: [String] { (try? FileSystem.list(directory.path)) ?? [] }

    /// A llama of one layer whose weights are made by `element`, written as safetensors.
    ///
    /// - Parameters:
    ///   - aliases: names under which the file's metadata knows tensors, each with the name that is stored.
    ///   - change: sees and may change each tensor before it is written.
    func makeModel(
        width: Int = 64, inner: Int = 96, vocabulary: Int = 40, type: TensorType = .float32, ties: Bool = false,
        aliases: [(key: String, value: String)] = [],
        change: (inout TensorDeclaration, inout [UInt8]) -> Void = { _, _ in }
    ) throws -> String {
        let path = directory.file("model")
        try FileSystem.createDirectory(path)
        let layer = "model.layers.0"
        var shapes: [(String, [Int])] = [
            ("model.embed_tokens", [vocabulary, width]), ("model.norm", [width]),
            ("\(layer).input_layernorm", [width]), ("\(layer).post_attention_layernorm", [width]),
            ("\(layer).self_attn.q_proj", [width, width]), ("\(layer).self_attn.k_proj", [width, width]),
            ("\(layer).self_attn.v_proj", [width, width]), ("\(layer).self_attn.o_proj", [width, width]),
            ("\(layer).mlp.gate_proj", [inner, width]), ("\(layer).mlp.up_proj", [inner, width]),
            ("\(layer).mlp.down_proj", [width, inner]),
        ]
        if !ties { shapes.append(("lm_head", [vocabulary, width])) }
        var declarations: [TensorDeclaration] = [], contents: [[UInt8]] = []
        for (number, (module, shape)) in shapes.enumerated() {
            var declaration = TensorDeclaration(name: module + ".weight", type: type, shape: shape)
            var bytes = Self.elements(count: shape.reduce(1, *), type: type, seed: UInt32(number + 1))
            change(&declaration, &bytes)
            declarations.append(declaration)
            contents.append(bytes)
        }
        let writer = try SafetensorsWriter(
            path + "/model.safetensors", tensors: declarations, metadata: [("format", "pt")] + aliases)
        for (declaration, bytes) in zip(declarations, contents) {
            try bytes.withUnsafeBytes { try writer.write(declaration.name, $0) }
        }
        try writer.finish()
        try AtomicFile.write(
            """
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": \(width),
             "intermediate_size": \(inner), "num_hidden_layers": 1, "num_attention_heads": 4,
             "vocab_size": \(vocabulary), "tie_word_embeddings": \(ties), "_name_or_path": "someone/tiny"}
            """, to: path + "/config.json")
        try AtomicFile.write("{}", to: path + "/tokenizer.json")
        return path
    }

    /// The elements of a matrix as they are quantized: those of the transpose where it is stored [inputs, outputs].
    static func oriented(_ tensor: StoredTensor, isTransposed: Bool) -> [UInt8] {
        let bytes = Array(tensor.bytes)
        guard isTransposed else { return bytes }
        let rows = tensor.shape[0], columns = tensor.shape[1], width = bytes.count / tensor.elementCount
        var turned: [UInt8] = []
        for column in 0..<columns {
            for row in 0..<rows {
                let start = (row * columns + column) * width
                turned += bytes[start..<start + width]
            }
        }
        return turned
    }

    /// Numbers of both signs over some powers of two.
    private static func elements(count: Int, type: TensorType, seed: UInt32) -> [UInt8] {
        var state = seed &* 0x9E37_79B9 | 1
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * type.bitCount / 8)
        for _ in 0..<count {
            state = state &* 1_664_525 &+ 1_013_904_223
            let value = (Float(state >> 8) / 0x1p23 - 1) * Float(sign: .plus, exponent: -Int(state & 3), significand: 1)
            let bits = value.bitPattern
            switch type {
            case .float32: withUnsafeBytes(of: bits) { bytes += $0 }
            case .bfloat16: withUnsafeBytes(of: UInt16(bits >> 16)) { bytes += $0 }
            default: withUnsafeBytes(of: Double(value)) { bytes += $0 }
            }
        }
        return bytes
    }
}

/// All bytes of a stored tensor.
func storedBytes(_ checkpoint: Checkpoint, _ name: String) throws -> [UInt8] {
    Array(try checkpoint.requiredTensor(named: name).bytes)
}
