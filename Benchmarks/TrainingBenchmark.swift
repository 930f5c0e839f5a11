internal import Adapters
internal import Datasets
internal import DecoderModels
internal import Diagnostics
internal import Kernels
internal import ModelFiles
internal import System
internal import TestSupport
internal import Training

/// A training step taken apart: where its time goes, its share of the machine's peak, and its memory.
struct TrainingBenchmark {
    let model: String
    let length: Int
    let steps: Int
    let recompute: TrainingPass.Recompute
    let computeType: ComputeType?
    /// Threads whose step is rehearsed by one, instead of `measuring`'s.
    let rehearsedThreads: Int?
    let measuring: Measuring

    /// Steps of one row of random tokens with a rank-16 adapter on every linear, the first not counted.
    func run(json: String?) throws(Failure) {
        guard let set = try? InstructionSet.selected() else { throw Failure(.usage, "QLORA_ISA names no usable set") }
        let type = computeType ?? (set.hasBFloat16Products ? .bfloat16 : .float32)
        let meter = PoolMeter()
        let profile = StepProfile(meter: meter)
        let pool =
            rehearsedThreads.map { WorkerPool(rehearsing: $0, meter: meter) }
            ?? WorkerPool(threadCount: measuring.threadCount, meter: meter)
        let context = ComputeContext(kernels: KernelTable(set), pool: pool, computeType: type, profile: profile)
        let peak = peak(set, type)
        let start = MonotonicClock.seconds
        let directory = try ModelDirectory(model)
        let decoder = try DecoderModel.load(directory)
        let ranks = RankRule(rank: 16, alpha: 32, isRankStabilized: false)
        let sites = try TargetSelection(targets: "all-linear", exclude: nil)
            .select(from: decoder.sites, outputHead: decoder.head.site.path)
        let adapters = AdapterSet(sites: try ranks.apply(to: sites))
        adapters.initialize(seed: 1)
        var settings = TrainingSettings()
        settings.maximumSteps = steps
        settings.gradientAccumulation = 1
        settings.packing = false
        settings.maximumLength = length
        var state: UInt64 = 88_172_645_463_325_252
        let rows = (0..<steps).map { index in
            let ids = (0..<length).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int32(state >> 33) % Int32(decoder.configuration.vocabularySize)
            }
            return TrainingRow(ids: ids, labels: ids, sourceLine: index + 1)
        }
        let trainer = try Trainer(
            model: decoder, adapters: adapters, rows: rows, evaluationRows: [], settings: settings, order: .sequential,
            recompute: recompute, context: context, interruption: { () throws(Failure) in })
        print("loaded in \(aligned(MonotonicClock.seconds - start, decimals: 2, width: 0)) s")

        var records: [Step] = []
        var last = MonotonicClock.seconds
        var lastProcessor = Measuring.processorSeconds
        meter.reset()
        profile.reset()
        try trainer.run { (event) throws(Failure) in
            guard case .step = event else { return }
            let now = MonotonicClock.seconds - meter.serializedSeconds
            let processor = Measuring.processorSeconds
            records.append(
                Step(
                    seconds: now - last, processorSeconds: processor - lastProcessor, busySeconds: meter.busySeconds,
                    fewestTasks: meter.fewestTasks ?? 0,
                    regions: meter.regionCount, parts: profile.parts))
            meter.reset()
            profile.reset()
            lastProcessor = Measuring.processorSeconds
            last = MonotonicClock.seconds
        }
        let counted = Array(records.dropFirst())
        guard let median = counted.sorted(by: { $0.seconds < $1.seconds }).dropFirst(counted.count / 2).first else {
            throw Failure(.usage, "at least two steps are needed")
        }
        report(median, decoder, context: context, peak: peak, parameters: adapters.parameterCount, json: json)
    }

    /// The tiles' peak on the threads, on one and multiplied where they are rehearsed.
    private func peak(_ set: InstructionSet, _ type: ComputeType) -> Double {
        let threads = rehearsedThreads == nil ? measuring.threadCount : 1
        let alone = ComputeContext(
            kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: type)
        let measuring = Measuring(threadCount: threads, usesProcessorTime: measuring.usesProcessorTime)
        return MachineSpeed.tilePeak(alone, measuring: measuring, runs: 40) * Double(rehearsedThreads ?? 1)
    }

    /// What one step took.
    private struct Step {
        let seconds: Double
        /// Of all threads.
        let processorSeconds: Double
        /// Inside tasks, of all threads.
        let busySeconds: Double
        /// Tasks of the smallest parallel region.
        let fewestTasks: Int
        let regions: Int
        let parts: [StepProfile.Part]
    }

    private func report(
        _ step: Step, _ decoder: DecoderModel, context: ComputeContext, peak: Double, parameters: Int, json: String?
    ) {
        let matrices = decoder.blocks.reduce(decoder.head.site.inputs * decoder.head.site.outputs) {
            $0 + $1.linears.reduce(0) { $0 + $1.site.inputs * $1.site.outputs }
        }
        let threads = context.pool.threadCount
        let utilisation = 4 * Double(matrices) * Double(length) / step.seconds / (peak * 1e9)
        let lost = 1 - step.busySeconds / (step.seconds * Double(threads))
        let usage = MemoryProbe.usage()
        print(
            "\(FileSystem.lastComponent(model)), 1 row of \(length) tokens, \(context.computeType.rawValue), recompute"
                + " \(recompute.rawValue), \(context.kernels.instructionSet.rawValue), \(threads) threads"
                + (rehearsedThreads == nil ? "" : ", rehearsed by one"))
        var rest = step.seconds
        var table: [(String, JSONValue)] = []
        func line(_ name: String, _ seconds: Double, outside: Double) {
            print(
                "  " + padded(name, width: 36) + aligned(seconds * 1e3, decimals: 1, width: 9) + " ms"
                    + aligned(100 * seconds / step.seconds, decimals: 2, width: 7) + " %"
                    + aligned(100 * outside / step.seconds, decimals: 2, width: 7) + " % outside of tasks")
        }
        for part in step.parts.sorted(by: { $0.seconds > $1.seconds }) {
            line(part.name, part.seconds, outside: part.seconds - part.busySeconds / Double(threads))
            table.append((part.name, .measured(part.seconds)))
            rest -= part.seconds
        }
        line("between them", rest, outside: rest)
        table.append(("between them", .measured(rest)))
        line("step", step.seconds, outside: lost * step.seconds)
        print(
            "\(aligned(Double(length) / step.seconds, decimals: 1, width: 0)) tokens/s, utilisation"
                + " \(aligned(utilisation, decimals: 3, width: 0)) of \(aligned(peak, decimals: 0, width: 0)) GFLOP/s;"
                + " outside of tasks \(aligned(100 * lost, decimals: 2, width: 0)) %; peak resident"
                + " \(usage.peakResident >> 20) MiB, of which not of files \(usage.anonymous >> 20) MiB")
        let perProcessor = Double(length) / step.processorSeconds
        print(
            "\(aligned(perProcessor, decimals: 1, width: 0)) tokens/s of processor time; the smallest of \(step.regions)"
                + " parallel regions has \(step.fewestTasks) tasks")
        var document = BenchmarkReport(
            subject: "training", instructionSet: context.kernels.instructionSet, threads: threads)
        document.add([
            ("model", .string(FileSystem.lastComponent(model))), ("tokens", .integer(length)),
            ("compute", .string(context.computeType.rawValue)), ("recompute", .string(recompute.rawValue)),
            ("step_seconds", .measured(step.seconds)), ("parts", .object(JSONObject(table))),
            ("tokens_per_second", .measured(Double(length) / step.seconds)), ("peak_gflops", .measured(peak)),
            ("utilisation", .measured(utilisation)),
            ("tokens_per_processor_second", .measured(perProcessor)), ("fewest_tasks", .integer(step.fewestTasks)),
            ("outside_tasks", .measured(lost)),
            ("rehearsed", .bool(rehearsedThreads != nil)), ("adapter_parameters", .integer(parameters)),
            ("peak_resident_bytes", .integer(usage.peakResident)),
        ])
        do throws(Failure) { try document.write(to: json) } catch { print(error) }
    }
}
