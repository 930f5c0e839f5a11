import DecoderModels
import Kernels
import ModelFiles
import System
import TestSupport
import Testing

/// Decoding reads the weights of the experts that a token goes to, and of no other.
@Suite("Memory of experts")
struct ResidentExpertsTests {
    static let experts = 16, perToken = 2, width = 64, inner = 512

    /// One layer whose experts are nearly all of it: 128 KiB for each of their matrices.
    private func makeModel() throws -> TemporaryDirectory {
        let folder = TemporaryDirectory()
        let configuration = """
            {"model_type": "olmoe", "hidden_size": \(Self.width), "intermediate_size": \(Self.inner),
             "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 32, "num_experts": \(Self.experts),
             "num_experts_per_tok": \(Self.perToken), "tie_word_embeddings": true}
            """
        try AtomicFile.write(Array(configuration.utf8), to: folder.file("config.json"))
        let fields = try JSONParser.parse(configuration)
        let shape = try Architectures.configuration(ConfigurationReader(fields: fields.object!, file: "config.json"))
        let weights = shape.weights
        let writer = try SafetensorsWriter(
            folder.file("model.safetensors"),
            tensors: weights.map { TensorDeclaration(name: $0.name, type: .float32, shape: $0.shape) })
        var number: UInt32 = 3
        for weight in weights {
            let values = (0..<weight.shape.reduce(1, *)).map { _ in
                number = number &* 1_664_525 &+ 1_013_904_223
                return Float(number >> 8) / 0x1p24 * 0.6 - 0.3
            }
            try values.withUnsafeBytes { try writer.write(weight.name, $0) }
        }
        try writer.finish()
        return folder
    }

    /// Bytes of the mappings of a file that this process has touched.
    private func residentBytes(_ path: String) throws -> Int {
        var total = 0, isWanted = false
        for line in try String(decoding: Fixtures.bytes("/proc/self/smaps"), as: UTF8.self).split(separator: "\n") {
            if line.contains("-"), line.contains(" r") { isWanted = line.hasSuffix(path) }
            if isWanted, line.hasPrefix("Rss:") {
                total += (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
            }
        }
        return total
    }

    @Test("A token touches the pages of its own experts")
    func decoding() throws {
        let folder = try makeModel(), path = folder.file("model.safetensors")
        let directory = try ModelDirectory(folder.path)
        let model = try DecoderModel.load(directory)
        let context = ComputeContext(
            kernels: KernelTable(InstructionSet.supported.last ?? .portable), pool: WorkerPool(threadCount: 2),
            computeType: .float32)
        let session = GenerationSession(model, capacity: 8, context: context)
        let file = directory.checkpoint.files[0].file
        // Loading has read everything, to look for what is not finite.
        #expect(try residentBytes(path) > file.byteCount / 2)
        file.release(0..<file.byteCount)
        #expect(try residentBytes(path) < file.byteCount / 20)
        _ = try session.take([7])
        let touched = try residentBytes(path)
        let own = Self.perToken * 3 * Self.width * Self.inner * 4
        // The kernel maps 64 KiB around a page that is asked for: what lies at both ends of each matrix, and the rest of
        // the model.
        #expect(touched >= own && touched < 2 * own, "\(touched) of \(file.byteCount), \(own) of experts")
    }
}
