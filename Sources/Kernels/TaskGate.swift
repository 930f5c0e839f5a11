internal import CSystem
internal import Glibc
internal import Synchronization

/// What tasks of a region wait for that need the results of tasks before them in the same region.
///
/// Threads claim tasks in their order, so whoever waits does so for a thread that runs: as long as the tasks before take.
final class TaskGate: Sendable {
    private let unfinished: Atomic<Int>
    private let pool: WorkerPool

    /// Closed until `taskCount` tasks have finished.
    init(taskCount: Int, pool: WorkerPool) {
        unfinished = Atomic(taskCount)
        self.pool = pool
    }

    /// The part, its tasks being those that open the gate.
    func opened(by part: RegionPart) -> RegionPart {
        RegionPart(taskCount: part.taskCount) { tasks, worker in
            part.body(tasks, worker)
            self.unfinished.wrappingSubtract(tasks.count, ordering: .releasing)
            self.pool.signal(0, at: self.word)
        }
    }

    /// Returns when the gate is open.
    func wait() { pool.wait(for: 0, at: word) { unfinished.load(ordering: .acquiring) == 0 } }

    private var word: UnsafeRawPointer { UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque()) }
}

extension WorkerPool {
    /// Waits, inside a task, for what another task that has been claimed will do soon, and then signal `value` at
    /// `word`. Counts as time outside of tasks.
    @inline(__always)
    package func wait(for value: Int, at word: UnsafeRawPointer, until condition: () -> Bool) {
        rehearsal?.wait(for: value, at: word)
        if !condition() { spin(until: condition) }
    }

    /// Says, after it is done, that what tasks wait for at `word` is done.
    @inline(__always)
    package func signal(_ value: Int, at word: UnsafeRawPointer) { rehearsal?.signal(value, at: word) }

    @inline(never)
    private func spin(until condition: () -> Bool) {
        let start = meter.map { _ in csystem_monotonic_nanoseconds() }
        var spins = 0
        while !condition() {
            csystem_pause()
            spins += 1
            // Whoever is waited for may need this processor.
            if spins & 1023 == 0 { sched_yield() }
        }
        if let meter, let start { meter.add(waitingNanoseconds: csystem_monotonic_nanoseconds() - start) }
    }
}
