internal import ArgumentParser
internal import Kernels
internal import ModelFiles
internal import QuantFormats
internal import Quantization
internal import System

/// `qlora quantize`: a model directory in few bits from one in float32, bfloat16 or float16.
struct Quantize: VerbCommand {
    static let configuration = CommandConfiguration(
        abstract: "Store the weights of a model in 4 or 8 bits.",
        discussion: """
            nf4 and fp4 with --embeddings none give a directory that transformers and bitsandbytes load too; int4, int8 \
            and quantized embeddings are read by qlora alone, and transformers stops at them. none copies the model. Weights stream through: memory does not grow with the model. \
            DIR appears whole or not at all. After an interruption, whatever it was, the same command goes on behind the \
            last tensor that is whole on the disk (what is done waits in .DIR.unfinished beside it); the result is the \
            same to the bit.

            EXAMPLE:
              qlora quantize SmolLM2-135M -o SmolLM2-135M-nf4
              qlora quantize SmolLM2-135M -o small --embeddings int8 --keep 'model.layers.*.mlp.down_proj'
            """)

    @Argument(help: ArgumentHelp("The model directory.", valueName: "model"))
    var model: String

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp(
            "The directory to make: it must not exist, or be empty, unless --overwrite is given.", valueName: "dir"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "Format of the linears inside the layers: \(LinearFormat.allValueStrings.joined(separator: ", ")).",
            valueName: "format"))
    var format = LinearFormat.nf4

    @Option(
        help: ArgumentHelp(
            "Elements that share a scale: 32, 64, 128, 256, 512, 1024, 2048 or 4096.", valueName: "n"))
    var blockSize = 64

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "Quantize the scales of the 4-bit formats too.")
    var doubleQuant = true

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Modules that stay as they are: paths, their beginnings or ends, * for any characters. (default: none)",
            valueName: "pattern"))
    var keep: [String] = []

    @Option(
        help: ArgumentHelp(
            "Format of the embedding table, which a tied head shares.", valueName: "format"))
    var embeddings = EmbeddingFormat.none

    @Option(
        help: ArgumentHelp(
            "The most memory to take, like 512MiB. (default: what is fastest, below 100 MiB for most models)",
            valueName: "size"))
    var memoryLimit: ByteSize?

    @Flag(
        help:
            "Replace a quantized model in the output directory, and unfinished work that was started with other options. (default: refuse both)"
    )
    var overwrite = false

    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        Signals.install()
        let set = try InstructionSet.selected()
        let pool = WorkerPool(threadCount: common.threads ?? ProcessorInfo.defaultThreadCount)
        let options = QuantizationOptions(
            format: format.format, blockSize: blockSize, isDoubleQuantized: doubleQuant,
            keep: keep, embeddingFormat: QuantFormats.named(embeddings.rawValue), memoryLimit: memoryLimit?.byteCount)
        let quantizer = try CheckpointQuantizer(
            try ModelDirectory(model), options: options, kernels: KernelTable(set), pool: pool)
        let bar = console.progress("quantize, MiB", total: quantizer.totalByteCount >> 20)
        defer { bar.finish() }
        var writing = CheckpointQuantizer.Writing()
        writing.overwrite = overwrite
        writing.resumes = true
        writing.onResume = { count, total in
            console.note("an interrupted run left \(count) of \(total) tensors: they are compared with their hashes")
        }
        let result = try quantizer.write(to: output, writing) { progress in
            bar.update(to: progress.doneByteCount >> 20, detail: progress.tensor)
        }
        bar.finish()
        try console.result(json: result.report.json, text: text(result))
    }

    /// The last lines: bytes by kind, and what quantizing the embeddings would save.
    private func text(_ result: CheckpointQuantizer.Result) -> String {
        let report = result.report
        let quantized = report.tensors.filter(\.isQuantized)
        var lines = [
            "\(output): \(quantized.count) of \(report.tensors.count) tensors quantized, "
                + "\(ByteText.text(report.bytesBefore)) to \(ByteText.text(report.bytesAfter)), "
                + "\(NumberText.fixed(report.bitsPerParameter, digits: 2)) bits for each parameter"
        ]
        if let worst = quantized.max(by: { Self.relativeError($0) < Self.relativeError($1) }) {
            lines.append(
                "largest relative error: \(NumberText.fixed(Self.relativeError(worst) * 100, digits: 2)) % rms in "
                    + worst.name)
        }
        for (format, byteCount) in report.bytesByFormat { lines.append("  \(format): \(ByteText.text(byteCount))") }
        if let table = result.keptEmbedding {
            lines.append(
                "The embedding table \(table.name) takes \(ByteText.text(table.byteCount)); --embeddings int8 would save "
                    + "\(ByteText.text(max(0, table.byteCount - table.int8ByteCount))), --embeddings nf4 "
                    + "\(ByteText.text(max(0, table.byteCount - table.nf4ByteCount)))")
        }
        return lines.joined(separator: "\n")
    }

    private static func relativeError(_ tensor: QuantizationReport.Tensor) -> Double {
        tensor.error?.relativeRootMeanSquare ?? 0
    }
}

/// `--format` of quantize.
struct LinearFormat: ExpressibleByArgument {
    /// nil leaves the weights as they are.
    let format: QuantFormat?

    static let nf4 = LinearFormat(format: .nf4)

    private init(format: QuantFormat?) { self.format = format }

    init?(argument: String) {
        guard let known = QuantizationOptions.formats.first(where: { $0.name == argument }) else { return nil }
        format = known.format
    }

    static var allValueStrings: [String] { QuantizationOptions.formats.map(\.name) }
    var defaultValueDescription: String { format?.name ?? "none" }
}

/// `--embeddings` of quantize.
enum EmbeddingFormat: String, CaseIterable, ExpressibleByArgument {
    case none, int8, nf4
}
