internal import Diagnostics
internal import Kernels

let arguments = CommandLine.arguments.dropFirst()
/// The value of an option `--name=value`.
func value(of name: String) -> String? {
    arguments.first { $0.hasPrefix("--\(name)=") }.map { String($0.dropFirst(name.count + 3)) }
}
let measuring = Measuring(
    threadCount: max(1, value(of: "threads").flatMap { Int($0) } ?? 2),
    usesProcessorTime: arguments.contains("--processor-time"),
    countsFastest: arguments.contains("--fastest"))
switch arguments.first {
case "products":
    let benchmark = ProductBenchmark(
        quick: arguments.contains("--quick"), measuring: measuring, model: value(of: "model"),
        computeType: value(of: "compute").flatMap { ComputeType(rawValue: $0) },
        rows: value(of: "rows").flatMap { Int($0) })
    guard benchmark.run() else { fatalError("a product was wrong; its speed means nothing") }
case "container":
    let benchmark = ContainerBenchmark(
        measuring: measuring, checkpoint: value(of: "checkpoint"), dump: value(of: "dump"))
    do { try benchmark.run() } catch { fatalError("\(error)") }
case "tokenizer":
    let files = arguments.dropFirst().filter { !$0.hasPrefix("--") }
    guard let text = value(of: "text"), !files.isEmpty else {
        fatalError("name the text by --text=FILE, then the directories with a tokenizer")
    }
    for directory in files {
        let benchmark = TokenizerBenchmark(directory: directory, textFile: text, measuring: measuring)
        guard benchmark.run() else { fatalError("a tokenizer or the text cannot be read") }
    }
default:
    print(
        "usage: Benchmarks tokenizer --text=FILE DIR… [--processor-time] [--fastest]\n"
            + "       Benchmarks products [--quick] [--threads=N] [--processor-time] [--fastest] [--model=NAME] [--compute=TYPE] [--rows=N]"
    )
    print(
        "       Benchmarks container [--threads=N] [--processor-time] [--fastest] [--checkpoint=FILE] [--dump=FOLDER]")
}
