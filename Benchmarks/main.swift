internal import Kernels

let arguments = CommandLine.arguments.dropFirst()
let threads = arguments.first { $0.hasPrefix("--threads=") }.flatMap { Int($0.dropFirst(10)) } ?? 2
let measuring = Measuring(usesProcessorTime: arguments.contains("--processor-time"), threadCount: max(1, threads))
switch arguments.first {
case "products":
    let benchmark = ProductBenchmark(quick: arguments.contains("--quick"), measuring: measuring)
    guard benchmark.run() else { fatalError("a product was wrong; its speed means nothing") }
default:
    print("usage: Benchmarks products [--quick] [--threads=N] [--processor-time]")
}
