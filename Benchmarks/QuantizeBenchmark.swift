internal import Diagnostics
internal import Kernels
internal import QuantFormats
internal import System
internal import Tensors

/// Quantizing to double-quantized NF4 in memory.
struct QuantizeBenchmark {
    let measuring: Measuring

    func run(_ set: InstructionSet, report: inout BenchmarkReport) throws(Failure) {
        let pool = WorkerPool(threadCount: measuring.threadCount)
        let count = 1 << 26
        let memory = AlignedMemory(byteCount: count * 2)
        let words = memory.base.assumingMemoryBound(to: UInt16.self)
        var state: UInt64 = 88_172_645_463_325_252
        for index in 0..<count {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            // Both signs, exponents of weights.
            words[index] = UInt16(truncatingIfNeeded: state >> 40 & 0x83FF) | 0x3800
        }
        for (name, format) in [("nf4, double-quantized", QuantFormat.nf4), ("int8", QuantFormat.int8)] {
            let quantizer = try BlockQuantizer(
                format: format, blockSize: 64, kernels: KernelTable(set), pool: pool)
            let codes = AlignedMemory(byteCount: count)
            var scales = [Float](repeating: 0, count: count / 64)
            var failure: Failure?
            let time = measuring.median(runs: 20, seconds: 0) {
                scales.withUnsafeMutableBufferPointer { scales in
                    guard let base = scales.baseAddress else { return }
                    _ = quantizer.quantize(
                        memory.base, type: .bfloat16, count: count,
                        codes: codes.base.assumingMemoryBound(to: UInt8.self), scales: base)
                }
                guard format.codeBits == 4 else { return }
                do throws(Failure) { _ = try NestedScales(scales) } catch { failure = error }
            }
            if let failure { throw failure }
            let speed = Double(count) / time * 1e-9
            print(
                padded("\(name) from bfloat16", width: 36) + aligned(speed, decimals: 2, width: 6)
                    + " billion elements/s")
            report.add([("format", .string(name)), ("billion_elements_per_second", .measured(speed))])
        }
    }
}
