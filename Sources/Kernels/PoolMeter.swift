internal import Synchronization

/// What the regions of a worker pool cost: time inside tasks, summed over threads, and how finely work was cut.
///
/// Whatever threads times elapsed time exceeds `busySeconds` by was spent outside of regions, on starting them, and
/// on waiting for their last task.
package final class PoolMeter: Sendable {
    private let busyNanoseconds = Atomic<Int64>(0)
    private let serializedNanoseconds = Atomic<Int64>(0)
    private let regions = Atomic<Int>(0)
    private let tasks = Atomic<Int>(0)
    private let fewest = Atomic<Int>(.max)

    package init() {}

    /// Seconds inside tasks, of all threads together, less those that tasks waited for each other.
    package var busySeconds: Double { Double(busyNanoseconds.load(ordering: .relaxed)) * 1e-9 }
    /// Seconds that a pool which rehearses more threads than it has took longer than they would have.
    package var serializedSeconds: Double { Double(serializedNanoseconds.load(ordering: .relaxed)) * 1e-9 }
    package var regionCount: Int { regions.load(ordering: .relaxed) }
    package var taskCount: Int { tasks.load(ordering: .relaxed) }
    /// Tasks of the region that had fewest, those of a single task left out; nil where there was none.
    package var fewestTasks: Int? {
        let count = fewest.load(ordering: .relaxed)
        return count == .max ? nil : count
    }

    /// Starts again from nothing.
    package func reset() {
        busyNanoseconds.store(0, ordering: .relaxed)
        serializedNanoseconds.store(0, ordering: .relaxed)
        regions.store(0, ordering: .relaxed)
        tasks.store(0, ordering: .relaxed)
        fewest.store(.max, ordering: .relaxed)
    }

    /// Counts a region of so many tasks, or the time that a thread spent in one.
    func add(tasks count: Int?, busyNanoseconds time: Int64) {
        if time > 0 { busyNanoseconds.wrappingAdd(time, ordering: .relaxed) }
        guard let count else { return }
        regions.wrappingAdd(1, ordering: .relaxed)
        tasks.wrappingAdd(count, ordering: .relaxed)
        if count > 1 { fewest.min(count, ordering: .relaxed) }
    }

    /// Takes off the time in which a thread's task waited for another.
    func add(waitingNanoseconds time: Int64) { busyNanoseconds.wrappingSubtract(time, ordering: .relaxed) }

    /// Counts what a region took beyond the time of the threads that it rehearsed.
    func add(serializedNanoseconds time: Int64) { serializedNanoseconds.wrappingAdd(time, ordering: .relaxed) }
}
