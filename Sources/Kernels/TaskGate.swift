internal import CSystem
internal import Glibc
internal import Synchronization

/// What tasks of a region wait for that need the results of tasks before them in the same region.
///
/// Threads claim tasks in their order, so whoever waits does so for a thread that runs: as long as the tasks before take.
final class TaskGate: Sendable {
    private let unfinished: Atomic<Int>

    /// Closed until `taskCount` tasks have finished.
    init(taskCount: Int) { unfinished = Atomic(taskCount) }

    /// The part, its tasks being those that open the gate.
    func opened(by part: RegionPart) -> RegionPart {
        RegionPart(taskCount: part.taskCount) { tasks, worker in
            part.body(tasks, worker)
            self.unfinished.wrappingSubtract(tasks.count, ordering: .releasing)
        }
    }

    /// Returns when the gate is open.
    func wait() { spinUntil { unfinished.load(ordering: .acquiring) == 0 } }
}

/// Waits, inside a task, for what a thread that runs will do soon.
@inline(__always)
func spinUntil(_ condition: () -> Bool) {
    var spins = 0
    while !condition() {
        csystem_pause()
        spins += 1
        // Whoever is waited for may need this processor.
        if spins & 1023 == 0 { sched_yield() }
    }
}
