import Glibc
import Kernels
import Synchronization
import TestSupport
import Testing

@Suite struct WorkerPoolTests {
    /// One counter for each task: all must read one after a region.
    private final class Counters: Sendable {
        private let counts: Mutex<[Int]>

        init(_ count: Int) { counts = Mutex(Array(repeating: 0, count: count)) }

        func count(_ index: Int) { counts.withLock { $0[index] += 1 } }
        var all: [Int] { counts.withLock { $0 } }
    }

    @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 3, 17, 1000])
    func everyTaskRunsOnce(threadCount: Int, taskCount: Int) {
        let pool = WorkerPool(threadCount: threadCount)
        #expect(pool.threadCount == threadCount)
        let counters = Counters(taskCount)
        pool.run(taskCount) { counters.count($0) }
        #expect(counters.all == Array(repeating: 1, count: taskCount))
    }

    @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 17, 1000])
    func runsCoverEveryTaskOnce(threadCount: Int, taskCount: Int) {
        let counters = Counters(taskCount)
        WorkerPool(threadCount: threadCount).runInRuns(taskCount) { tasks, worker in
            #expect(!tasks.isEmpty && (0..<threadCount).contains(worker))
            for task in tasks { counters.count(task) }
        }
        #expect(counters.all == Array(repeating: 1, count: taskCount))
    }

    @Test func zeroAndNegativeThreadCountsMeanOne() {
        #expect(WorkerPool(threadCount: 0).threadCount == 1)
        #expect(WorkerPool(threadCount: -5).threadCount == 1)
        let sum = Atomic(0)
        WorkerPool(threadCount: 0).run(10) { sum.wrappingAdd($0, ordering: .relaxed) }
        #expect(sum.load(ordering: .relaxed) == 45)
    }

    /// Regions follow each other without pause, so that workers meet them spinning, late, or not at all.
    @Test(arguments: [2, 3, 5])
    func manySmallRegions(threadCount: Int) {
        let pool = WorkerPool(threadCount: threadCount)
        var expected = 0
        let sum = Atomic(0)
        for region in 0..<50_000 {
            let taskCount = region % 7
            pool.run(taskCount) { sum.wrappingAdd($0 + region, ordering: .relaxed) }
            expected += taskCount * region + taskCount * (taskCount - 1) / 2
            if region % 1000 == 0 { #expect(sum.load(ordering: .relaxed) == expected) }
        }
        #expect(sum.load(ordering: .relaxed) == expected)
    }

    /// A started region runs beside its caller and has ended when the next one begins, when `finish` returns, and before its
    /// pool ends.
    @Test(arguments: [1, 2, 3, 8])
    func startedRegionsEndBeforeTheNext(threadCount: Int) {
        let started = Counters(40), next = Counters(40)
        let sum = Atomic(0)
        do {
            let pool = WorkerPool(threadCount: threadCount)
            for round in 1...2000 {
                pool.start(40, oneByOne: round % 41) { tasks, _ in
                    for task in tasks { started.count(task) }
                }
                if round % 3 == 0 { pool.finish() }
                pool.run(40) { task in
                    if started.all[task] == round { next.count(task) }
                }
                pool.start(round % 2) { tasks, _ in sum.wrappingAdd(tasks.count, ordering: .relaxed) }
            }
            pool.start(40) { tasks, _ in
                for task in tasks { started.count(task) }
            }
        }
        #expect(next.all == Array(repeating: 2000, count: 40))
        #expect(started.all == Array(repeating: 2001, count: 40))
        #expect(sum.load(ordering: .relaxed) == 1000)
    }

    /// Other threads of a started region work while the caller does something else.
    @Test func startedRegionsRunBesideTheirCaller() {
        let pool = WorkerPool(threadCount: 2)
        let done = Atomic(0)
        pool.start(8) { tasks, worker in
            #expect(worker == 1)
            done.wrappingAdd(tasks.count, ordering: .relaxed)
        }
        let clock = ContinuousClock()
        let limit = clock.now + .seconds(20)
        while done.load(ordering: .relaxed) < 8, clock.now < limit { sched_yield() }
        #expect(done.load(ordering: .relaxed) == 8)
        pool.finish()
    }

    @Test(arguments: [1, 2, 5])
    func longTasksAreClaimedAlone(threadCount: Int) {
        let counters = Counters(1000)
        WorkerPool(threadCount: threadCount).runInRuns(1000, oneByOne: 700) { tasks, _ in
            #expect(tasks.lowerBound >= 700 || tasks.count == 1 || threadCount == 1)
            for task in tasks { counters.count(task) }
        }
        #expect(counters.all == Array(repeating: 1, count: 1000))
    }

    /// Sleeping tasks on threads that exist only in rehearsal: the meter gives what real ones would have taken.
    @Test func rehearsedThreadsTakeTheirShareOfTheTime() {
        let meter = PoolMeter()
        let pool = WorkerPool(rehearsing: 4, meter: meter)
        #expect(pool.threadCount == 4)
        let workers = Mutex<[Int]>([])
        let clock = ContinuousClock()
        let time = clock.measure {
            pool.runInRuns(8, oneByOne: 8) { tasks, worker in
                workers.withLock { $0.append(worker) }
                usleep(10_000)
            }
        }
        let seconds = Double(time.components.attoseconds) * 1e-18 + Double(time.components.seconds)
        let rehearsed = seconds - meter.serializedSeconds
        #expect(Set(workers.withLock { $0 }) == [0, 1, 2, 3])
        // Two rounds of 10 ms; sleeping takes longer on a busy machine, on every thread alike.
        #expect(rehearsed >= 0.02 && rehearsed < seconds / 2)
        #expect(meter.busySeconds >= 0.08 && meter.taskCount == 8 && meter.regionCount == 1)
    }

    /// A task that waits for another is not busy meanwhile, and begins when the other has ended.
    @Test func rehearsedTasksWaitForEachOther() {
        let meter = PoolMeter()
        let pool = WorkerPool(rehearsing: 2, meter: meter)
        nonisolated(unsafe) let word = UnsafeRawPointer(bitPattern: 64)!  // never read
        pool.runOnWorkers(2, oneByOne: 2) { task, _ in
            if task == 1 { pool.wait(for: 7, at: word) { true } }
            usleep(20_000)
            if task == 0 { pool.signal(7, at: word) }
        }
        #expect(meter.busySeconds >= 0.04)
        // What two threads would have saved is nothing but the time before the gate.
        #expect(meter.serializedSeconds < 0.01)
    }

    /// Minutes of regions with pauses around the length of the spin, where falling asleep and being woken meet.
    @Test(.enabled(if: FullTests.areEnabled, "long: tools/test --full"), arguments: [2, 3, 8])
    func longStress(threadCount: Int) {
        let pool = WorkerPool(threadCount: threadCount)
        let sum = Atomic(0)
        let clock = ContinuousClock()
        for region in 0..<300_000 {
            let until = clock.now + .microseconds(region % 97)
            while clock.now < until {}
            pool.run(region % 11) { sum.wrappingAdd($0 + 1, ordering: .relaxed) }
        }
        let whole = 300_000 / 11 * (0..<11).reduce(0) { $0 + $1 * ($1 + 1) / 2 }
        let rest = (0..<300_000 % 11).reduce(0) { $0 + $1 * ($1 + 1) / 2 }
        #expect(sum.load(ordering: .relaxed) == whole + rest)
    }

    /// Pauses longer than the spin, so that every region must wake sleeping workers.
    @Test func regionsAfterSleep() {
        let pool = WorkerPool(threadCount: 3)
        let sum = Atomic(0)
        for _ in 0..<200 {
            let clock = ContinuousClock()
            let until = clock.now + .microseconds(150)
            while clock.now < until {}
            pool.run(5) { sum.wrappingAdd($0, ordering: .relaxed) }
        }
        #expect(sum.load(ordering: .relaxed) == 2000)
    }

    /// What a task wrote is visible to the caller without further synchronisation, however uneven the tasks are.
    @Test(arguments: [2, 3])
    func resultsAreVisibleAfterUnevenTasks(threadCount: Int) {
        let pool = WorkerPool(threadCount: threadCount)
        let count = 200
        let outputs = UnsafeMutablePointer<Int>.allocate(capacity: count)
        defer { outputs.deallocate() }
        struct Outputs: @unchecked Sendable {
            // Unchecked: tasks write different elements.
            let base: UnsafeMutablePointer<Int>
        }
        let view = Outputs(base: outputs)
        for round in 0..<50 {
            outputs.initialize(repeating: -1, count: count)
            pool.run(count) { index in
                var value = index
                for _ in 0..<(index % 13 == 0 ? 20_000 : 10) { value = (value &* 31 &+ round) & 0xFFFF }
                view.base[index] = value & 0 | index
            }
            for index in 0..<count where outputs[index] != index {
                Issue.record("round \(round): task \(index) left \(outputs[index])")
            }
        }
    }

    @Test func nestedRegionsRunSeriallyInOrder() {
        let pool = WorkerPool(threadCount: 3)
        let other = WorkerPool(threadCount: 2)
        let inOrder = Counters(20)
        pool.run(20) { task in
            for inner in [pool, other] {
                let seen = Mutex<[Int]>([])
                inner.run(10) { index in seen.withLock { $0.append(index) } }
                if seen.withLock({ $0 }) == Array(0..<10) { inOrder.count(task) }
            }
        }
        #expect(inOrder.all == Array(repeating: 2, count: 20))
        let counters = Counters(10)
        pool.run(10) { counters.count($0) }
        #expect(counters.all == Array(repeating: 1, count: 10))
    }

    /// Callers on several threads share one pool and take turns.
    @Test func callersOnSeveralThreads() async {
        let pool = WorkerPool(threadCount: 2)
        await withTaskGroup(of: Bool.self) { group in
            for caller in 0..<6 {
                group.addTask {
                    for _ in 0..<2000 {
                        let sum = Atomic(0)
                        pool.run(9) { sum.wrappingAdd($0 * caller, ordering: .relaxed) }
                        if sum.load(ordering: .relaxed) != 36 * caller { return false }
                    }
                    return true
                }
            }
            for await correct in group { #expect(correct) }
        }
    }

    /// Workers end with their pool, whether they spin or sleep: threads do not pile up.
    @Test func poolsEndTheirThreads() {
        for round in 0..<300 {
            let pool = WorkerPool(threadCount: 4)
            if round % 2 == 0 { pool.run(8) { _ in } }
        }
        var threadCount = 0
        if let folder = opendir("/proc/self/task") {
            while readdir(folder) != nil { threadCount += 1 }
            closedir(folder)
        }
        // 300 pools start 900 threads; the other tests that run at the same time have a few dozen.
        #expect(threadCount < 300)
    }
}
