internal import ArgumentParser
internal import Diagnostics
internal import Kernels
internal import System

/// `qlora doctor`: what this machine is, what it can do, and whether the kernels compute what they should on it.
struct Doctor: VerbCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examine this machine: instructions, a self-test of every kernel, speeds, memory, disk, libraries.",
        discussion: """
            Every instruction set that the processor has is tested against references in double precision, each comparison \
            with its tolerance; exit status 70 if one fails. Speeds are what is left beside other programs: run it alone. \
            Takes some seconds.

            EXAMPLE:
              qlora doctor
              qlora doctor --directory /data/runs --json
            """)

    @Option(
        help: ArgumentHelp(
            "The directory whose disk is measured. (default: the working directory)", valueName: "dir"))
    var directory: String?

    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        let set = try InstructionSet.selected()
        let place = directory ?? "."
        guard FileSystem.isDirectory(place) else {
            throw Failure(
                .inputMissing, "there is no such directory", at: .init(file: place),
                remedy: "Give --directory one that exists")
        }
        let bar = console.progress("doctor", total: 4)
        defer { bar.finish() }
        let pool = WorkerPool(threadCount: common.threads ?? ProcessorInfo.defaultThreadCount)
        let tests = InstructionSet.supported.map { ($0, SelfTest(KernelTable($0), pool: pool)) }
        bar.update(to: 1)
        let speeds = DoctorSpeeds(set: set, threadCount: pool.threadCount)
        bar.update(to: 3)
        let report = DoctorReport(
            selected: set, tests: tests, speeds: speeds, disk: DoctorDisk(place), threadCount: pool.threadCount)
        bar.finish()
        try console.result(json: report.json, text: report.text)
        let failed = tests.filter { !$0.1.isPassed }.map(\.0)
        guard !failed.isEmpty else { return }
        let remedy =
            if failed.count == tests.count {
                "Do not use results from this machine, and report this output"
            } else if failed.contains(set) {
                "Set QLORA_ISA to a set that passes, and report this output"
            } else {
                "Please report this output; the selected kernels, \(set.rawValue), are right"
            }
        throw Failure(
            .internalError,
            "the kernels for \(failed.map(\.rawValue).joined(separator: ", ")) compute wrong results here",
            remedy: remedy)
    }
}

/// What was measured of processor and memory.
struct DoctorSpeeds {
    /// GFLOP/s of the best tile, by type of products and threads.
    let peaks: [(type: ComputeType, threadCount: Int, gigaflops: Double)]
    /// GB/s of a plain read, by threads.
    let reads: [(threadCount: Int, gigabytes: Double)]
    /// Bytes that were read; less than several times the last-level cache where memory is scarce.
    let readByteCount: Int

    private static let wantedByteCount = 400 << 20

    /// Measures for about a second: with one thread and with all.
    init(set: InstructionSet, threadCount: Int) {
        let types = ComputeType.allCases.filter { $0 == .float32 || set.hasBFloat16Products }
        readByteCount = max(
            16 << 20, min(Self.wantedByteCount, MemoryProbe.availableByteCount / 4) / (16 << 20) * (16 << 20))
        var peaks: [(type: ComputeType, threadCount: Int, gigaflops: Double)] = []
        var reads: [(threadCount: Int, gigabytes: Double)] = []
        for threads in Set([1, threadCount]).sorted() {
            let measuring = Measuring(threadCount: threads)
            let pool = WorkerPool(threadCount: threads)
            for type in types {
                let context = ComputeContext(kernels: KernelTable(set), pool: pool, computeType: type)
                peaks.append((type, threads, MachineSpeed.tilePeak(context, measuring: measuring, runs: 40)))
            }
            reads.append(
                (
                    threads,
                    MachineSpeed.readBandwidth(pool, byteCount: readByteCount, measuring: measuring, runs: 9)
                ))
        }
        self.peaks = peaks
        self.reads = reads
    }
}

/// The disk of a directory.
struct DoctorDisk {
    let path: String
    let freeByteCount: Int?
    let probe: DiskProbe?
    /// Why it was not measured.
    let problem: String?

    init(_ directory: String) {
        path = FileSystem.canonicalPath(directory) ?? directory
        freeByteCount = FileSystem.freeByteCount(near: directory)
        if let freeByteCount, freeByteCount < DiskProbe.leastFreeByteCount {
            probe = nil
            problem = "too little is free to measure its speed"
            return
        }
        do throws(Failure) {
            probe = try DiskProbe(directory: directory)
            problem = nil
        } catch {
            probe = nil
            problem = error.what
        }
    }
}
