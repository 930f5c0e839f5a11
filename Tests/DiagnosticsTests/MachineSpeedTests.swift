import Diagnostics
import Kernels
import Testing

@Suite struct MachineSpeedTests {
    @Test("A peak and a bandwidth are numbers that a machine can have", arguments: InstructionSet.supported)
    func plausible(set: InstructionSet) {
        let pool = WorkerPool(threadCount: 1)
        let measuring = Measuring(threadCount: 1)
        for type in ComputeType.allCases where type == .float32 || set.hasBFloat16Products {
            let context = ComputeContext(kernels: KernelTable(set), pool: pool, computeType: type)
            let peak = MachineSpeed.tilePeak(context, measuring: measuring, runs: 3)
            #expect(peak > 0.05 && peak < 1e5)
        }
        let bandwidth = MachineSpeed.readBandwidth(pool, byteCount: 16 << 20, measuring: measuring, runs: 3)
        #expect(bandwidth > 0.05 && bandwidth < 1e4)
    }

    @Test func medianAndBestOfRuns() {
        var calls = 0
        let median = Measuring(threadCount: 1).median(runs: 5, seconds: 0) { calls += 1 }
        #expect(calls == 6)
        #expect(median >= 0 && median < 1)
        let best = Measuring(threadCount: 1).best(runs: 4) { calls += 1 }
        #expect(calls == 10)
        #expect(best >= 0 && best < 1)
    }
}
