internal import DecoderModels
internal import Diagnostics
internal import Kernels
internal import ModelFiles
internal import System
internal import Tensors

/// Generation token by token, beside the bandwidth of memory.
struct DecodeBenchmark {
    let model: String
    let computeType: ComputeType?
    let measuring: Measuring

    func run(_ set: InstructionSet, report: inout BenchmarkReport) throws(Failure) {
        let type = computeType ?? (set.hasBFloat16Products ? .bfloat16 : .float32)
        let pool = WorkerPool(threadCount: measuring.threadCount)
        let context = ComputeContext(kernels: KernelTable(set), pool: pool, computeType: type)
        let decoder = try DecoderModel.load(try ModelDirectory(model))
        let prompt = (0..<64).map { Int32($0 * 37 % decoder.configuration.vocabularySize) }
        let session = GenerationSession(decoder, capacity: 256, context: context)
        let prefill = try measuring.timed { () throws(Failure) in _ = try session.take(prompt[...]) }
        var times: [Double] = []
        for index in 0..<64 {
            times.append(
                try measuring.timed { () throws(Failure) in
                    _ = try session.take([Int32(index * 131 % decoder.configuration.vocabularySize)][...])
                })
        }
        times.sort()
        let rate = 1 / times[times.count / 2]
        let bandwidth = MachineSpeed.readBandwidth(pool, byteCount: 400 << 20, measuring: measuring, runs: 5)
        let bytes = decoder.storage.byteCount
        print(
            "\(FileSystem.lastComponent(model)), \(type.rawValue): \(aligned(rate, decimals: 1, width: 0)) tokens/s, prompt"
                + " \(aligned(Double(prompt.count) / prefill, decimals: 0, width: 0)) tokens/s; \(bytes >> 20) MiB of"
                + " weights: \(aligned(Double(bytes) * rate * 1e-9, decimals: 1, width: 0)) GB/s of"
                + " \(aligned(bandwidth, decimals: 1, width: 0)); 46 tokens/s scaled by bandwidth over 43 GB/s are"
                + " \(aligned(46 * bandwidth / 43, decimals: 1, width: 0))")
        report.add([
            ("model", .string(FileSystem.lastComponent(model))), ("compute", .string(type.rawValue)),
            ("tokens_per_second", .measured(rate)), ("weight_bytes", .integer(bytes)),
            ("read_gb_per_second", .measured(bandwidth)), ("asked_tokens_per_second", .measured(46 * bandwidth / 43)),
        ])
    }
}
