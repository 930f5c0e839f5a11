internal import CSystem

/// What regions would take on more threads than this machine has processors for.
///
/// One thread runs the tasks, in the order and with the numbers with which so many threads would claim them if each had a
/// processor of its own and the processors did not slow each other: every thread has a clock, and whichever is behind claims
/// next. A task that waits for another moves its clock to when that one would have been so far.
final class PoolRehearsal: @unchecked Sendable {
    // Unchecked: belongs to the thread that runs the region, under the pool's lock.

    /// Nanoseconds since the region's start, of each thread.
    private var clocks: [Int64]
    private struct Signal: Hashable {
        let word: UnsafeRawPointer
        let value: Int
    }

    /// When tasks last gave a signal.
    private var signals: [Signal: Int64] = [:]
    /// The thread whose tasks are run, since when on this machine's clock, and how long they would have waited.
    private var worker = 0
    private var started: Int64 = 0
    private var waited: Int64 = 0
    private let meter: PoolMeter
    private var published: (taskCount: UInt32, shortCount: UInt32, body: (Range<Int>, Int) -> Void)?
    private var publication: Int64 = 0

    /// What publishing a region and learning of its last task takes when the threads spin: a word goes from one processor to
    /// the others and another comes back.
    private static let regionNanoseconds: Int64 = 1_000

    init(threadCount: Int, meter: PoolMeter) {
        clocks = Array(repeating: 0, count: threadCount)
        self.meter = meter
    }

    func publish(_ taskCount: UInt32, _ shortCount: UInt32, _ body: @escaping (Range<Int>, Int) -> Void) {
        published = (taskCount, shortCount, body)
        publication = csystem_monotonic_nanoseconds()
    }

    func complete() {
        guard let (taskCount, shortCount, body) = published else { fatalError("no region was published") }
        published = nil
        let start = csystem_monotonic_nanoseconds()
        for thread in clocks.indices { clocks[thread] = 0 }
        // The caller joins the others now.
        clocks[0] = start - publication
        signals.removeAll(keepingCapacity: true)
        var left = taskCount
        var busy: Int64 = 0
        while left > 0 {
            worker = clocks.indices.min { clocks[$0] < clocks[$1] } ?? 0
            let count = WorkerPool.claimedTasks(left: left, short: shortCount, threadCount: clocks.count)
            let first = Int(taskCount - left)
            waited = 0
            started = csystem_monotonic_nanoseconds()
            body(first..<first + Int(count), worker)
            let time = csystem_monotonic_nanoseconds() - started
            clocks[worker] += time + waited
            busy += time
            left -= count
        }
        let rehearsed = (clocks.max() ?? 0) + Self.regionNanoseconds
        meter.add(tasks: nil, busyNanoseconds: busy)
        meter.add(serializedNanoseconds: csystem_monotonic_nanoseconds() - publication - rehearsed)
    }

    func signal(_ value: Int, at word: UnsafeRawPointer) {
        let signal = Signal(word: word, value: value)
        signals[signal] = max(signals[signal] ?? 0, now)
    }

    func wait(for value: Int, at word: UnsafeRawPointer) {
        waited += max(0, (signals[Signal(word: word, value: value)] ?? 0) - now)
    }

    /// The time of the running thread's clock.
    private var now: Int64 { clocks[worker] + waited + csystem_monotonic_nanoseconds() - started }
}
