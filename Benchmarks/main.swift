internal import DecoderModels
internal import Diagnostics
internal import Kernels
internal import System
internal import TestSupport

let arguments = CommandLine.arguments.dropFirst()
/// The value of an option `--name=value`.
func value(of name: String) -> String? {
    arguments.first { $0.hasPrefix("--\(name)=") }.map { String($0.dropFirst(name.count + 3)) }
}
func number(of name: String) -> Int? { value(of: name).flatMap { Int($0) } }
func flag(_ name: String) -> Bool { arguments.contains("--\(name)") }

let measuring = Measuring(
    threadCount: max(1, number(of: "threads") ?? 2), usesProcessorTime: flag("processor-time"),
    countsFastest: flag("fastest"))
let computeType = value(of: "compute").flatMap { ComputeType(rawValue: $0) }
let json = value(of: "json")
let set = (try? InstructionSet.selected()) ?? .portable

let usage = """
    usage: Benchmarks SUBJECT [--threads=N] [--compute=float32|bfloat16] [--json=FILE] [--fastest] [--processor-time]
      products    [--quick] [--model=NAME] [--rows=N]      4-bit products beside the peak and the bandwidth
      attention   [--tokens=N] [--heads=QUERY/KEY/WIDTH]      forward and backward beside the peak
      quantize    double-quantized NF4 and int8 in memory
      decode      --model=DIR      tokens/s one by one beside the bandwidth of memory
      training    --model=DIR [--tokens=N] [--steps=N] [--recompute=none|all]      a step taken apart
                  [--rehearse=N]      as N threads with a processor each would take it, run by one
      container   [--checkpoint=FILE] [--dump=FOLDER]      compressed checkpoints, role by role
      tokenizer   --text=FILE DIR…      speed of tokenizers
      checkpoint  --shape=NAME --output=DIR [--format=bfloat16|nf4]      a random model of a real shape
    shapes: \(ModelShapes.all.map(\.name).joined(separator: ", "))
    """

do throws(Failure) {
    switch arguments.first {
    case "products":
        var benchmark = ProductBenchmark(
            quick: flag("quick"), measuring: measuring, model: value(of: "model"), computeType: computeType,
            rows: number(of: "rows"),
            report: BenchmarkReport(subject: "products", instructionSet: set, threads: measuring.threadCount))
        guard benchmark.run() else { throw Failure(.internalError, "a product was wrong; its speed means nothing") }
        try benchmark.report.write(to: json)
    case "attention", "quantize", "decode":
        let subject = arguments.first ?? ""
        var report = BenchmarkReport(subject: subject, instructionSet: set, threads: measuring.threadCount)
        switch subject {
        case "attention":
            AttentionBenchmark(
                measuring: measuring, computeType: computeType,
                lengths: number(of: "tokens").map { [$0] } ?? [512, 2048],
                heads: value(of: "heads")?.split(separator: "/").compactMap { Int($0) }
            )
            .run(set, report: &report)
        case "quantize": try QuantizeBenchmark(measuring: measuring).run(set, report: &report)
        default:
            guard let model = value(of: "model") else { throw Failure(.usage, "--model is missing") }
            try DecodeBenchmark(model: model, computeType: computeType, measuring: measuring).run(set, report: &report)
        }
        try report.write(to: json)
    case "training":
        guard let model = value(of: "model") else { throw Failure(.usage, "--model is missing") }
        try TrainingBenchmark(
            model: model, length: number(of: "tokens") ?? 512, steps: number(of: "steps") ?? 6,
            recompute: value(of: "recompute").flatMap { TrainingPass.Recompute(rawValue: $0) } ?? .none,
            computeType: computeType, rehearsedThreads: number(of: "rehearse"), measuring: measuring
        ).run(json: json)
    case "container":
        let benchmark = ContainerBenchmark(
            measuring: measuring, checkpoint: value(of: "checkpoint"), dump: value(of: "dump"))
        do { try benchmark.run() } catch { fatalError("\(error)") }
    case "tokenizer":
        let files = arguments.dropFirst().filter { !$0.hasPrefix("--") }
        guard let text = value(of: "text"), !files.isEmpty else {
            throw Failure(.usage, "name the text by --text=FILE, then the directories with a tokenizer")
        }
        for directory in files {
            let benchmark = TokenizerBenchmark(directory: directory, textFile: text, measuring: measuring)
            guard benchmark.run() else { throw Failure(.badData, "a tokenizer or the text cannot be read") }
        }
    case "checkpoint":
        guard let shape = value(of: "shape").flatMap({ ModelShapes.named($0) }), let output = value(of: "output") else {
            throw Failure(.usage, "--shape and --output are needed\n\(usage)")
        }
        let checkpoint = RandomCheckpoint(shape: shape)
        if value(of: "format") == "nf4" {
            try checkpoint.writeQuantized(
                to: output, kernels: KernelTable(set), pool: WorkerPool(threadCount: measuring.threadCount))
        } else {
            try checkpoint.write(to: output)
        }
    default:
        print(usage)
    }
} catch {
    fatalError(error.description)
}
