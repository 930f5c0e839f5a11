import Glibc
import System
import Testing

@Suite struct MachineTests {
    @Test func clockGoesForward() {
        let start = MonotonicClock.seconds
        usleep(2000)
        let elapsed = MonotonicClock.seconds - start
        #expect(elapsed >= 0.002)
        #expect(elapsed < 60)
    }

    // MARK: - Memory

    /// Memory that is touched appears as anonymous and resident, and stays in the peak after it is given back.
    @Test func usageFollowsAllocation() throws {
        let byteCount = 64 << 20
        let before = MemoryProbe.usage()
        let mapping = try #require(
            mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        memset(mapping, 1, byteCount)
        let during = MemoryProbe.usage()
        munmap(mapping, byteCount)
        let after = MemoryProbe.usage()
        // Other tests allocate at the same time: half of it is enough to tell.
        #expect(during.anonymous - before.anonymous > byteCount / 2)
        #expect(during.resident >= during.anonymous)
        #expect(during.virtual >= during.resident)
        #expect(after.peakResident >= during.anonymous)
        #expect(before.file > 0)
    }

    @Test func proportionalShareIsPartOfTheResident() throws {
        let share = try #require(MemoryProbe.proportionalByteCount())
        #expect(share > 0)
        #expect(share < 2 * MemoryProbe.usage().peakResident)
    }

    @Test func availableMemoryOfThisMachine() {
        let available = MemoryProbe.available()
        #expect(available.byteCount > 0)
        #expect(available.byteCount <= MemoryProbe.machineByteCount)
        #expect(MemoryProbe.machineByteCount > 1 << 28)
    }

    @Test func availableMemoryIsTheSmallestBound() throws {
        let root = try FakeRoot([
            "proc/meminfo": "MemTotal:       2000 kB\nMemFree:         100 kB\nMemAvailable:    1000 kB\n",
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "sys/fs/cgroup/memory.max": "600000\n",
            "sys/fs/cgroup/memory.current": "100000\n",
        ])
        func available(_ addressSpace: Int?) -> MemoryProbe.Available {
            MemoryProbe.available(root: root.path, addressSpace: addressSpace)
        }
        #expect(available(nil).byteCount == 500_000)
        #expect(available(nil).bound == .controlGroup)
        #expect(available(400_000).byteCount == 400_000)
        #expect(available(400_000).bound == .addressSpace)
        let machine = try FakeRoot(["proc/meminfo": "MemFree:         100 kB\n"])
        #expect(MemoryProbe.available(root: machine.path, addressSpace: nil).byteCount == 102_400)
        #expect(MemoryProbe.available(root: machine.path, addressSpace: nil).bound == .machine)
    }

    @Test func addressSpaceLimitBounds() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
            limit.rlim_cur = rlim_t(MemoryProbe.usage().virtual + (96 << 20))
            guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { _exit(2) }
            let available = MemoryProbe.available()
            guard available.bound == .addressSpace, available.byteCount <= 96 << 20, available.byteCount > 32 << 20
            else { _exit(3) }
        }
    }

    // MARK: - Processors

    @Test func processorOfThisMachine() {
        let processor = ProcessorInfo.current
        #expect(!processor.modelName.isEmpty)
        #expect(processor.coreCount >= 1)
        #expect(processor.coreCount <= processor.logicalCount)
        #expect(ProcessorInfo.defaultThreadCount >= 1)
        #expect(ProcessorInfo.defaultThreadCount <= processor.coreCount)
    }

    /// Two cores of two threads each: the mask decides how many cores count, the quota how many of them are used.
    @Test func threadsAreCoresWithinTheQuota() throws {
        func siblings(_ first: String, _ second: String) -> [String: String] {
            [
                "sys/devices/system/cpu/cpu0/topology/thread_siblings_list": first,
                "sys/devices/system/cpu/cpu1/topology/thread_siblings_list": second,
                "sys/devices/system/cpu/cpu2/topology/thread_siblings_list": first,
                "sys/devices/system/cpu/cpu3/topology/thread_siblings_list": second,
                "proc/cpuinfo": "processor\t: 0\nmodel name\t: Some  Processor\nflags\t\t: fpu avx2\n\nprocessor\t: 1\n"
                    + "model name\t: Other\n",
            ]
        }
        let root = try FakeRoot(siblings("0,2\n", "1,3\n"))
        let all = ProcessorInfo(root: root.path, affinity: [0, 1, 2, 3])
        #expect(all.modelName == "Some Processor")
        #expect(all.features == ["fpu", "avx2"])
        #expect(all.logicalCount == 4)
        #expect(all.coreCount == 2)
        #expect(all.defaultThreadCount == 2)
        #expect(ProcessorInfo(root: root.path, affinity: [0, 2]).coreCount == 1)
        #expect(ProcessorInfo(root: root.path, affinity: [2, 3]).coreCount == 2)

        for (quota, expected) in [("50000", 1), ("100000", 1), ("110000", 2), ("900000", 2), ("max", 2)] {
            var files = siblings("0,2\n", "1,3\n")
            files["proc/self/cgroup"] = "0::/\n"
            files["proc/self/mountinfo"] = "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
            files["sys/fs/cgroup/cpu.max"] = quota + " 100000\n"
            let limited = try FakeRoot(files)
            let processor = ProcessorInfo(root: limited.path, affinity: [0, 1, 2, 3])
            #expect(processor.defaultThreadCount == expected, "quota \(quota)")
        }
    }

    /// Without topology files (some containers, some kernels) every hardware thread counts as a core.
    @Test func processorWithoutTopology() throws {
        let root = try FakeRoot([
            "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"
        ])
        let processor = ProcessorInfo(root: root.path, affinity: [0, 1, 5])
        #expect(processor.coreCount == 3)
        #expect(processor.modelName == "ARM implementer 0x41 part 0xd40")
        #expect(processor.features == ["fp", "asimd"])
        let empty = try FakeRoot([:])
        #expect(ProcessorInfo(root: empty.path, affinity: []).defaultThreadCount == 1)
    }
}
