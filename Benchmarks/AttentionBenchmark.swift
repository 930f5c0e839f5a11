internal import Diagnostics
internal import Kernels
internal import System
internal import Tensors

/// Attention forward and backward over one sequence, beside the peak of the type in which operands enter its products.
struct AttentionBenchmark {
    let measuring: Measuring
    let computeType: ComputeType?
    let lengths: [Int]
    /// Query heads, key/value heads and width of a head; nil for those of the models that are trained here.
    let heads: [Int]?

    /// Heads of the models that are trained here.
    private static let shapes = [
        AttentionShape(queryHeads: 32, keyValueHeads: 8, headWidth: 64, scale: 0.125),
        AttentionShape(queryHeads: 14, keyValueHeads: 2, headWidth: 64, scale: 0.125),
        AttentionShape(queryHeads: 9, keyValueHeads: 3, headWidth: 64, scale: 0.125),
        AttentionShape(queryHeads: 32, keyValueHeads: 32, headWidth: 128, scale: 0.088),
    ]

    private var shapes: [AttentionShape] {
        guard let heads, heads.count == 3 else { return Self.shapes }
        return [
            AttentionShape(
                queryHeads: heads[0], keyValueHeads: heads[1], headWidth: heads[2],
                scale: 1 / Float(heads[2]).squareRoot())
        ]
    }

    func run(_ set: InstructionSet, report: inout BenchmarkReport) {
        for type in ComputeType.allCases
        where (computeType ?? type) == type && (type == .float32 || set.hasBFloat16Products) {
            let context = ComputeContext(
                kernels: KernelTable(set), pool: WorkerPool(threadCount: measuring.threadCount), computeType: type)
            print("attention, \(type.rawValue), \(set.rawValue): GFLOP/s (the causal half counted), share of the peak")
            for length in lengths {
                for shape in shapes { measure(context, shape, length: length, report: &report) }
            }
        }
    }

    private func measure(
        _ context: ComputeContext, _ shape: AttentionShape, length: Int, report: inout BenchmarkReport
    ) {
        let wide = shape.queryColumns, narrow = shape.keyValueColumns
        let memory = AlignedMemory(byteCount: length * (4 * wide + 4 * narrow + shape.queryHeads) * 4)
        var next = memory.floats
        func matrix(_ columns: Int) -> FloatMatrix {
            defer { next += length * columns }
            return FloatMatrix(base: next, rows: length, columns: columns)
        }
        let (q, out, dOut, dQ) = (matrix(wide), matrix(wide), matrix(wide), matrix(wide))
        let (k, v, dK, dV) = (matrix(narrow), matrix(narrow), matrix(narrow), matrix(narrow))
        let logSumExp = next
        for matrix in [q, k, v, dOut] {
            for index in 0..<matrix.count {
                matrix.base[index] = Float((index &* 2_654_435_761) >> 8 & 1023) / 512 - 1
            }
        }
        let scratch = AlignedMemory(
            byteCount: max(
                context.attentionForwardScratchByteCount(shape, longestSegment: length),
                context.attentionBackwardScratchByteCount(shape, longestSegment: length)))
        let buffer = UnsafeMutableRawBufferPointer(start: scratch.base, count: scratch.byteCount)
        let peak = MachineSpeed.tilePeak(context, measuring: measuring, runs: 20)
        withUnsafePointer(to: Segment(start: 0, count: Int32(length))) { segment in
            let segments = UnsafeBufferPointer(start: segment, count: 1)
            let forward = measuring.median(runs: 20, seconds: 0.2) {
                context.attentionForward(
                    q: q, k: k, v: v, segments: segments, shape: shape, into: out, logSumExp: logSumExp,
                    scratch: buffer)
            }
            let backward = measuring.median(runs: 20, seconds: 0.2) {
                context.attentionBackward(
                    dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, segments: segments, shape: shape,
                    into: dQ, dK, dV, scratch: buffer)
            }
            // Tests compare the values; here it must only be sure that something was computed.
            let isRight = (0..<length).allSatisfy { row in out.row(row)[0].isFinite && dQ.row(row)[0].isFinite }
            let operations = 2 * Double(length) * Double(length) * Double(wide)
            let (first, second) = (operations / forward * 1e-9, 2.5 * operations / backward * 1e-9)
            let both = 3.5 * operations / (forward + backward) * 1e-9
            print(
                "  T \(aligned(Double(length), decimals: 0, width: 5)), \(shape.queryHeads)/\(shape.keyValueHeads) heads of"
                    + " \(shape.headWidth): peak\(aligned(peak, decimals: 0, width: 5))  forward"
                    + aligned(first, decimals: 0, width: 5) + aligned(first / peak, decimals: 3, width: 7)
                    + "  backward" + aligned(second, decimals: 0, width: 5)
                    + aligned(second / peak, decimals: 3, width: 7) + "  both"
                    + aligned(both / peak, decimals: 3, width: 7) + (isRight ? "" : "  WRONG"))
            report.add([
                ("compute", .string(context.computeType.rawValue)), ("tokens", .integer(length)),
                ("query_heads", .integer(shape.queryHeads)),
                ("key_value_heads", .integer(shape.keyValueHeads)), ("head_width", .integer(shape.headWidth)),
                ("peak_gflops", .measured(peak)), ("forward_gflops", .measured(first)),
                ("backward_gflops", .measured(second)), ("share", .measured(both / peak)),
            ])
        }
    }
}
