internal import CSystem
internal import Glibc
internal import Synchronization

/// Runs the tasks of a parallel region on a fixed number of threads.
///
/// Threads wait for the next region by spinning for at most 120 microseconds, then sleep in the kernel. A region costs
/// about a third of a microsecond while the threads still spin, and some tens when they must be woken.
package final class WorkerPool: @unchecked Sendable {
    // Unchecked: `run` is serialised by a lock; workers see only the region that is published to them.

    /// Threads that take part, the caller included; fewer than asked for where the system gives no more threads.
    package let threadCount: Int

    /// What the regions cost, where it is measured.
    package let meter: PoolMeter?

    /// Takes the place of the threads, where they are rehearsed.
    let rehearsal: PoolRehearsal?

    private let region: UnsafeMutablePointer<Region>
    private let threads: [pthread_t]
    /// Whether a region has been started that is not known to have ended.
    private let isRunning = Mutex<Bool>(false)

    /// Starts `threadCount - 1` threads, at least none. They end with the pool.
    ///
    /// - Parameter meter: receives what the threads spend inside tasks; two readings of the clock a region and thread.
    package init(threadCount: Int, meter: PoolMeter? = nil) {
        let region = UnsafeMutablePointer<Region>.allocate(capacity: 1)
        region.initialize(to: Region(threadCount: max(1, threadCount), meter: meter))
        self.meter = meter
        rehearsal = nil

        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, Self.stackByteCount)
        var threads: [pthread_t] = []
        while threads.count + 1 < threadCount {
            var thread = pthread_t()
            let status = pthread_create(
                &thread, &attributes,
                { argument in
                    csystem_name_thread("qlora-worker")
                    csystem_mark_parallel_region(true)
                    argument?.assumingMemoryBound(to: Region.self).pointee.serve()
                    return nil
                }, region)
            guard status == 0 else { break }
            threads.append(thread)
        }
        pthread_attr_destroy(&attributes)
        self.region = region
        self.threads = threads
        self.threadCount = threads.count + 1
    }

    /// A pool that runs every task on the calling thread, cut and numbered as for `threadCount` threads.
    ///
    /// - Parameter meter: receives what those threads would have spent, each on a processor of its own: to judge how work is
    ///   cut for more processors than this machine has. It knows nothing of caches and memory that they would share.
    package init(rehearsing threadCount: Int, meter: PoolMeter) {
        region = .allocate(capacity: 1)
        region.initialize(to: Region(threadCount: 1, meter: meter))
        threads = []
        self.meter = meter
        self.threadCount = threadCount
        rehearsal = PoolRehearsal(threadCount: threadCount, meter: meter)
    }

    deinit {
        finish()
        region.pointee.stop()
        for thread in threads { pthread_join(thread, nil) }
        region.pointee.deallocate()
        region.deinitialize(count: 1)
        region.deallocate()
    }

    /// Calls `body` once for every index in 0..<taskCount, on all threads, and returns when all have finished.
    ///
    /// Which thread runs which task is not defined: tasks must write disjoint outputs, and no result may depend on
    /// the number of threads. Callers on several threads take turns. Inside a task (of any pool) the region runs
    /// serially on the calling thread, in order.
    package func run(_ taskCount: Int, _ body: @Sendable (Int) -> Void) {
        runOnWorkers(taskCount) { task, _ in body(task) }
    }

    /// The same; `body` also gets the number of the thread it runs on, 0..<threadCount: what it may use alone until
    /// it returns, scratch say, is whatever belongs to that number.
    ///
    /// - Parameter oneByOne: as of `runInRuns`.
    package func runOnWorkers(
        _ taskCount: Int, oneByOne: Int = 0, _ body: @Sendable (_ task: Int, _ worker: Int) -> Void
    ) {
        runInRuns(taskCount, oneByOne: oneByOne) { tasks, worker in
            for task in tasks { body(task, worker) }
        }
    }

    /// The same for a body that takes the consecutive tasks that a thread claims at once. How tasks fall into runs is not
    /// defined either: no result may depend on it.
    ///
    /// - Parameter oneByOne: how many of the first tasks are claimed alone, for they are longer than those behind them.
    package func runInRuns(
        _ taskCount: Int, oneByOne: Int = 0, _ body: @Sendable (_ tasks: Range<Int>, _ worker: Int) -> Void
    ) {
        guard taskCount > 1, isParallel, !csystem_in_parallel_region() else {
            finish()
            let start = meter.map { _ in csystem_monotonic_nanoseconds() }
            if taskCount > 0 { body(0..<taskCount, 0) }
            if let meter, let start, taskCount > 0, !csystem_in_parallel_region() {
                meter.add(tasks: taskCount, busyNanoseconds: csystem_monotonic_nanoseconds() - start)
            }
            return
        }
        isRunning.withLock { isRunning in
            finish(&isRunning)
            withoutActuallyEscaping(body) { body in
                publish(taskCount, oneByOne: oneByOne, body)
                complete()
            }
        }
    }

    /// The same, but returns at once while the other threads run the tasks, for the caller to prepare its next region
    /// meanwhile: it takes part when it calls `finish` or runs that one, and must till then neither read what the tasks write
    /// nor write what they read. A pool of one thread runs the tasks here.
    package func start(
        _ taskCount: Int, oneByOne: Int = 0, _ body: @escaping @Sendable (_ tasks: Range<Int>, _ worker: Int) -> Void
    ) {
        guard taskCount > 1, isParallel, !csystem_in_parallel_region() else {
            return runInRuns(taskCount, oneByOne: oneByOne, body)
        }
        isRunning.withLock { isRunning in
            finish(&isRunning)
            publish(taskCount, oneByOne: oneByOne, body)
            isRunning = true
        }
    }

    /// Returns when no region is running that was started.
    package func finish() {
        guard isParallel, !csystem_in_parallel_region() else { return }
        isRunning.withLock { finish(&$0) }
    }

    private var isParallel: Bool { !threads.isEmpty || rehearsal != nil }

    private func finish(_ isRunning: inout Bool) {
        guard isRunning else { return }
        complete()
        isRunning = false
    }

    private func publish(
        _ taskCount: Int, oneByOne: Int, _ body: @escaping @Sendable (_ tasks: Range<Int>, _ worker: Int) -> Void
    ) {
        guard let count = UInt32(exactly: taskCount) else { fatalError("a parallel region has 2^32 tasks or more") }
        let short = count - min(count, UInt32(clamping: oneByOne))
        if let rehearsal {
            rehearsal.publish(count, short, body)
        } else {
            region.pointee.publish(count, short, body)
        }
        meter?.add(tasks: taskCount, busyNanoseconds: 0)
    }

    private func complete() {
        csystem_mark_parallel_region(true)
        if let rehearsal { rehearsal.complete() } else { region.pointee.complete() }
        csystem_mark_parallel_region(false)
    }

    /// How many of the tasks that are left a thread claims at once: few claims, and small ones at the end.
    static func claimedTasks(left: UInt32, short: UInt32, threadCount: Int) -> UInt32 {
        left > short ? 1 : max(1, left / UInt32(clamping: 8 * threadCount))
    }

    /// As large as the main thread's usually is; only touched pages take memory.
    private static let stackByteCount = 8 << 20
}

/// The region that is being run, and the words its threads meet on, each on a cache line of its own.
///
/// A claim lowers the count of unclaimed tasks by compare-and-exchange. A thread that comes late, from an earlier
/// region, finds no task or claims one of the present region: the body is read only after a claim, and a region cannot
/// end while a claimed task is unfinished.
private struct Region {
    private struct Published {
        var body: (@Sendable (_ tasks: Range<Int>, _ worker: Int) -> Void)?
        var taskCount: UInt32 = 0
    }

    /// Regions so far in the upper half, so that no claim mistakes one region for another; unclaimed tasks below.
    private let unclaimed: UnsafeMutablePointer<Atomic<UInt64>>
    /// Tasks that have not finished: the word the caller sleeps on.
    private let unfinished: UnsafeMutablePointer<Atomic<UInt32>>
    private let callerSleeps: UnsafeMutablePointer<Atomic<Bool>>
    /// Counts the times sleepers were woken: the word that workers sleep on.
    private let wakeUps: UnsafeMutablePointer<Atomic<UInt32>>
    private let sleeperCount: UnsafeMutablePointer<Atomic<UInt32>>
    private let stopping: UnsafeMutablePointer<Atomic<Bool>>
    private let published: UnsafeMutablePointer<Published>
    /// How many of the last tasks may be claimed several at once. A thread that comes late may read that of another region:
    /// its claim then fails.
    private let shortCount: UnsafeMutablePointer<Atomic<UInt32>>
    /// Threads that have asked for their number; the caller has number 0.
    private let numbered: UnsafeMutablePointer<Atomic<Int>>
    private let meter: PoolMeter?

    private let memory: UnsafeMutableRawPointer
    private let threadCount: Int
    /// How long a thread without work spins before it sleeps: long enough for the last task of another and the gap between two
    /// regions of a step (with 40 microseconds, every second region of a small model began by waking somebody), short enough
    /// not to take a processor from a busy neighbour: beside one, a step takes as long as with 40.
    private let spinNanoseconds: Int64

    init(threadCount: Int, meter: PoolMeter?) {
        self.meter = meter
        let line = 128  // the longest of the processors that run this; others fetch pairs of lines
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 8 * line, alignment: line)
        func word<Value: ~Copyable>(_ index: Int, _ value: consuming Value) -> UnsafeMutablePointer<Value> {
            let pointer = (memory + index * line).bindMemory(to: Value.self, capacity: 1)
            pointer.initialize(to: value)
            return pointer
        }
        self.memory = memory
        unclaimed = word(0, Atomic(0))
        unfinished = word(1, Atomic(0))
        callerSleeps = word(2, Atomic(false))
        wakeUps = word(3, Atomic(0))
        sleeperCount = word(4, Atomic(0))
        stopping = word(5, Atomic(false))
        numbered = word(6, Atomic(0))
        shortCount = word(7, Atomic(0))
        published = .allocate(capacity: 1)
        published.initialize(to: Published())
        self.threadCount = threadCount
        // Threads that share processors would only spin against each other.
        spinNanoseconds = threadCount > Int(csystem_affinity_count()) ? 0 : 120_000
    }

    func deallocate() {
        published.deinitialize(count: 1)
        published.deallocate()
        memory.deallocate()
    }

    // MARK: - The caller

    /// Lets the workers begin with a region.
    func publish(
        _ taskCount: UInt32, _ shortCount: UInt32,
        _ body: @escaping @Sendable (_ tasks: Range<Int>, _ worker: Int) -> Void
    ) {
        published.pointee.body = body
        published.pointee.taskCount = taskCount
        unfinished.pointee.store(taskCount, ordering: .relaxed)
        self.shortCount.pointee.store(shortCount, ordering: .relaxed)
        let regionCount = unclaimed.pointee.load(ordering: .relaxed) >> 32
        // Sequentially consistent, like the sleeper's count and check: one of the two sees the other.
        unclaimed.pointee.store((regionCount &+ 1) << 32 | UInt64(taskCount), ordering: .sequentiallyConsistent)
        wake(atMost: taskCount - 1)
    }

    /// Takes part in the region, and returns when its last task has finished.
    func complete() {
        work(worker: 0)
        awaitEnd()
        published.pointee.body = nil
    }

    private func wake(atMost count: UInt32) {
        let sleepers = sleeperCount.pointee.load(ordering: .sequentiallyConsistent)
        guard sleepers > 0 else { return }
        wakeUps.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
        csystem_futex_wake(address(wakeUps), Int32(clamping: min(sleepers, count)))
    }

    private func awaitEnd() {
        if spin(until: { unfinished.pointee.load(ordering: .acquiring) == 0 }) { return }
        callerSleeps.pointee.store(true, ordering: .sequentiallyConsistent)
        while true {
            let left = unfinished.pointee.load(ordering: .sequentiallyConsistent)
            if left == 0 { break }
            csystem_futex_wait(address(unfinished), left)
        }
        callerSleeps.pointee.store(false, ordering: .relaxed)
    }

    // MARK: - All threads

    /// Runs tasks until none is left to claim, then reports those it ran, all of one region.
    private func work(worker: Int) {
        var finished: UInt32 = 0
        let start = meter.map { _ in csystem_monotonic_nanoseconds() }
        while true {
            let claimed = runClaim(worker: worker)
            if claimed == 0 { break }
            finished += claimed
        }
        guard finished > 0 else { return }
        if let meter, let start {
            meter.add(tasks: nil, busyNanoseconds: csystem_monotonic_nanoseconds() - start)
        }
        let left = unfinished.pointee.wrappingSubtract(finished, ordering: .sequentiallyConsistent).newValue
        if left == 0, callerSleeps.pointee.load(ordering: .sequentiallyConsistent) {
            csystem_futex_wake(address(unfinished), 1)
        }
    }

    /// Claims and runs the next tasks and returns how many; a function of its own, so that its copy of the body is
    /// given back before the tasks are reported as finished.
    @inline(never) private func runClaim(worker: Int) -> UInt32 {
        var word = unclaimed.pointee.load(ordering: .acquiring)
        while true {
            let left = UInt32(truncatingIfNeeded: word)
            if left == 0 { return 0 }
            let count = WorkerPool.claimedTasks(
                left: left, short: shortCount.pointee.load(ordering: .relaxed), threadCount: threadCount)
            let (exchanged, original) = unclaimed.pointee.compareExchange(
                expected: word, desired: word - UInt64(count), ordering: .acquiringAndReleasing)
            guard exchanged else {
                word = original
                continue
            }
            guard let body = published.pointee.body else { fatalError("a parallel region without a body") }
            let first = Int(published.pointee.taskCount - left)
            body(first..<first + Int(count), worker)
            return count
        }
    }

    /// Spins for a bounded time; true as soon as the condition holds.
    private func spin(until condition: () -> Bool) -> Bool {
        if condition() { return true }
        guard spinNanoseconds > 0 else { return false }
        let start = csystem_monotonic_nanoseconds()
        repeat {
            for _ in 0..<16 {
                csystem_pause()
                if condition() { return true }
            }
        } while csystem_monotonic_nanoseconds() - start < spinNanoseconds
        return false
    }

    private func address(_ word: UnsafeMutablePointer<Atomic<UInt32>>) -> UnsafePointer<UInt32> {
        UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self)
    }

    // MARK: - Workers

    /// What a worker thread does until the pool ends.
    func serve() {
        let worker = numbered.pointee.wrappingAdd(1, ordering: .relaxed).newValue
        while true {
            work(worker: worker)
            awaitWork()
            if stopping.pointee.load(ordering: .acquiring) { return }
        }
    }

    private func awaitWork() {
        if spin(until: { hasWork() }) { return }
        let seen = wakeUps.pointee.load(ordering: .sequentiallyConsistent)
        sleeperCount.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
        if !hasWork() { csystem_futex_wait(address(wakeUps), seen) }
        sleeperCount.pointee.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }

    private func hasWork() -> Bool {
        UInt32(truncatingIfNeeded: unclaimed.pointee.load(ordering: .sequentiallyConsistent)) > 0
            || stopping.pointee.load(ordering: .sequentiallyConsistent)
    }

    /// Sends every worker home.
    func stop() {
        stopping.pointee.store(true, ordering: .sequentiallyConsistent)
        wakeUps.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
        csystem_futex_wake(address(wakeUps), .max)
    }
}
