internal import Diagnostics
internal import Kernels
internal import System
internal import Tensors

/// Products with 4-bit weights: speed as share of the peak of the same run, and one row as share of the read bandwidth.
struct ProductBenchmark {
    let quick: Bool
    let measuring: Measuring
    /// Only this model's layers, this compute type, this number of rows (1: one row and four).
    let model: String?
    let computeType: ComputeType?
    let rows: Int?
    var report: BenchmarkReport

    private func types(_ set: InstructionSet) -> [ComputeType] {
        [ComputeType.bfloat16, .float32].filter {
            ($0 == .float32 || set.hasBFloat16Products) && $0 == computeType ?? $0
        }
    }

    private var runs: Int { quick ? 5 : 20 }
    private var seconds: Double { quick ? 0.05 : 0.3 }

    private struct Speeds {
        var forward: [Double] = []
        var gradient: [Double] = []
    }

    mutating func run() -> Bool {
        guard let set = try? InstructionSet.selected() else {
            print("QLORA_ISA names an instruction set that this processor lacks")
            return false
        }
        let pool = WorkerPool(threadCount: measuring.threadCount)
        print(
            "instruction set \(set.rawValue), \(pool.threadCount) threads\(measuring.usesProcessorTime ? ", processor time" : "")"
        )
        var correct = true
        for type in types(set) where rows != 1 {
            let context = ComputeContext(kernels: KernelTable(set), pool: pool, computeType: type)
            correct = manyRows(context) && correct
        }
        for type in types(set) where rows ?? 1 == 1 {
            let context = ComputeContext(kernels: KernelTable(set), pool: pool, computeType: type)
            correct = oneRow(context) && correct
        }
        return correct
    }

    private mutating func manyRows(_ context: ComputeContext) -> Bool {
        var correct = true
        var shares: [Int: Speeds] = [:]
        print("\n\(context.computeType.rawValue): GFLOP/s and share of the peak, nested 4-bit weights, blocks of 64")
        print(padded("", width: 36) + "     M     peak     forward         gradient")
        for shape in quick && model == nil ? LayerShapes.few : LayerShapes.all
        where model == nil || shape.model == model || "\(shape.outputs)x\(shape.inputs)" == model {
            let weight = BenchmarkWeight(outputs: shape.outputs, inputs: shape.inputs)
            for rows in rows.map({ [$0] }) ?? [512, 128] {
                let dimension = max(shape.outputs, shape.inputs)
                let scratch = AlignedMemory(
                    byteCount: context.productScratchByteCount(rows: rows, dimension: dimension))
                let buffer = UnsafeMutableRawBufferPointer(start: scratch.base, count: scratch.byteCount)
                let xMemory = AlignedMemory(byteCount: rows * shape.inputs * 4)
                let yMemory = AlignedMemory(byteCount: rows * shape.outputs * 4)
                let x = FloatMatrix(base: xMemory.floats, rows: rows, columns: shape.inputs)
                let y = FloatMatrix(base: yMemory.floats, rows: rows, columns: shape.outputs)
                for index in 0..<x.count { x.base[index] = Float((index &* 2_654_435_761) >> 8 & 1023) / 512 - 1 }
                let operations = 2 * Double(rows) * Double(shape.outputs) * Double(shape.inputs)

                let peak = MachineSpeed.tilePeak(context, measuring: measuring, runs: quick ? 10 : 40)
                let forward = measuring.median(runs: runs, seconds: seconds) {
                    context.forward(x, weight.matrix, bias: nil, into: y, adding: false, scratch: buffer)
                }
                let isForwardRight = isForward(y, x, weight, context.computeType)
                for index in 0..<y.count { y.base[index] = Float((index &* 2_654_435_761) >> 8 & 1023) / 512 - 1 }
                let gradient = measuring.median(runs: runs, seconds: seconds) {
                    context.inputGradient(y, weight.matrix, into: x, adding: false, scratch: buffer)
                }
                let isGradientRight = isGradient(x, y, weight, context.computeType)
                correct = correct && isForwardRight && isGradientRight
                func speed(_ time: Double) -> String {
                    let speed = operations / time * 1e-9
                    return aligned(speed, decimals: 0, width: 8) + aligned(speed / peak, decimals: 3, width: 8)
                }
                print(
                    padded(shape.model, width: 12) + padded(shape.layer, width: 11)
                        + padded("\(shape.outputs)x\(shape.inputs)", width: 13)
                        + aligned(Double(rows), decimals: 0, width: 6)
                        + aligned(peak, decimals: 0, width: 9) + speed(forward) + speed(gradient)
                        + (isForwardRight && isGradientRight ? "" : "  WRONG"))
                let speeds = (operations / forward * 1e-9, operations / gradient * 1e-9)
                report.add([
                    ("compute", .string(context.computeType.rawValue)), ("model", .string(shape.model)),
                    ("layer", .string(shape.layer)), ("outputs", .integer(shape.outputs)),
                    ("inputs", .integer(shape.inputs)), ("rows", .integer(rows)), ("peak_gflops", .measured(peak)),
                    ("forward_gflops", .measured(speeds.0)), ("gradient_gflops", .measured(speeds.1)),
                    ("forward_share", .measured(speeds.0 / peak)), ("gradient_share", .measured(speeds.1 / peak)),
                ])
                if LayerShapes.large.contains(where: { $0.model == shape.model }) {
                    shares[rows, default: Speeds()].forward.append(speeds.0 / peak)
                    shares[rows, default: Speeds()].gradient.append(speeds.1 / peak)
                }
            }
        }
        for (rows, speeds) in shares.sorted(by: { $0.key > $1.key }) {
            func summary(_ shares: [Double]) -> String {
                let sorted = shares.sorted()
                return aligned(sorted[sorted.count / 2], decimals: 3, width: 8) + " (lowest "
                    + aligned(sorted[0], decimals: 3, width: 0) + ")"
            }
            print(
                padded("median of the large models", width: 36) + aligned(Double(rows), decimals: 0, width: 6)
                    + "  forward" + summary(speeds.forward) + "  gradient" + summary(speeds.gradient))
        }
        return correct
    }

    /// Some elements against sums in double precision. Rounding to bfloat16 makes errors of at most 2^-8 relative to the
    /// absolute products; a wrong element shows against 0.02 only in sums, so many are looked at.
    private func isClose(_ found: Float, _ sum: Double, _ magnitude: Double, _ type: ComputeType) -> Bool {
        abs(Double(found) - sum) <= magnitude * (type == .bfloat16 ? 2e-3 : 1e-6) + 1e-12
    }

    private func isForward(
        _ y: FloatMatrix, _ x: FloatMatrix, _ weight: BenchmarkWeight, _ type: ComputeType
    ) -> Bool {
        (0..<64).allSatisfy { sample in
            let row = sample * 37 % y.rows
            let column = sample * 1009 % y.columns
            var sum = 0.0
            var magnitude = 0.0
            for k in 0..<x.columns {
                let product = Double(x.row(row)[k]) * Double(weight.value(column * x.columns + k))
                sum += product
                magnitude += abs(product)
            }
            return isClose(y.row(row)[column], sum, magnitude, type)
        }
    }

    private func isGradient(
        _ dX: FloatMatrix, _ dY: FloatMatrix, _ weight: BenchmarkWeight, _ type: ComputeType
    ) -> Bool {
        (0..<64).allSatisfy { sample in
            let row = sample * 37 % dX.rows
            let column = sample * 1009 % dX.columns
            var sum = 0.0
            var magnitude = 0.0
            for n in 0..<dY.columns {
                let product = Double(dY.row(row)[n]) * Double(weight.value(n * dX.columns + column))
                sum += product
                magnitude += abs(product)
            }
            return isClose(dX.row(row)[column], sum, magnitude, type)
        }
    }

    /// One row over matrices that together exceed every cache.
    private mutating func oneRow(_ context: ComputeContext) -> Bool {
        var correct = true
        print("\n\(context.computeType.rawValue): one row (and four), GB/s of weights and share of the read bandwidth")
        for (outputs, inputs) in [(2048, 2048), (8192, 2048), (2048, 8192), (4096, 4096)] {
            let weights = (0..<max(2, (quick ? 200 : 400) << 20 / (outputs * inputs / 2))).map { _ in
                BenchmarkWeight(outputs: outputs, inputs: inputs)
            }
            let bytes = Double(weights.reduce(0) { $0 + $1.byteCount })
            let scratch = AlignedMemory(
                byteCount: context.productScratchByteCount(rows: 4, dimension: max(outputs, inputs)))
            let buffer = UnsafeMutableRawBufferPointer(start: scratch.base, count: scratch.byteCount)
            let xMemory = AlignedMemory(byteCount: 4 * inputs * 4)
            let yMemory = AlignedMemory(byteCount: 4 * outputs * 4)
            for index in 0..<4 * inputs {
                xMemory.floats[index] = Float((index &* 2_654_435_761) >> 8 & 1023) / 512 - 1
            }
            let codes: [UnsafeRawPointer] = weights.compactMap { weight in
                guard case .table4(let codes, _, _) = weight.matrix.storage else { return nil }
                return codes
            }
            let codeBytes = outputs * inputs / 2
            var bandwidths: [Double] = []
            var speeds: [Double] = []
            for rows in [1, 4] {
                let x = FloatMatrix(base: xMemory.floats, rows: rows, columns: inputs)
                let y = FloatMatrix(base: yMemory.floats, rows: rows, columns: outputs)
                // In turn, because the memory's speed changes with what the neighbours do.
                let (readTime, time) = measuring.medians(
                    runs: quick ? 3 : 20, { MachineSpeed.read(context.pool, regions: codes, byteCount: codeBytes) },
                    {
                        for weight in weights {
                            context.forwardFewRows(
                                x, weight.matrix, bias: nil, into: y, adding: false, scratch: buffer)
                        }
                    })
                bandwidths.append(Double(codes.count * codeBytes) / readTime * 1e-9)
                if let last = weights.last { correct = isForward(y, x, last, context.computeType) && correct }
                speeds.append(bytes / time * 1e-9)
            }
            print(
                padded("\(outputs)x\(inputs)", width: 14) + "read" + aligned(bandwidths[0], decimals: 1, width: 7)
                    + "  one row"
                    + aligned(speeds[0], decimals: 1, width: 7)
                    + aligned(speeds[0] / bandwidths[0], decimals: 3, width: 7)
                    + "  four rows" + aligned(speeds[1], decimals: 1, width: 7)
                    + aligned(speeds[1] / bandwidths[1], decimals: 3, width: 7) + (correct ? "" : "  WRONG"))
            report.add([
                ("compute", .string(context.computeType.rawValue)), ("outputs", .integer(outputs)),
                ("inputs", .integer(inputs)), ("rows", .integer(1)), ("read_gb_per_second", .measured(bandwidths[0])),
                ("gb_per_second", .measured(speeds[0])), ("share", .measured(speeds[0] / bandwidths[0])),
                ("four_rows_share", .measured(speeds[1] / bandwidths[1])),
            ])
        }
        return correct
    }
}
