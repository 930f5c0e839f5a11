internal import Synchronization
internal import Tensors

/// Elements that a task of an elementwise pass handles: some ten microseconds of work, half of an L2 cache.
private let elementsOfTask = 32_768

extension ComputeContext {
    /// Calls `body` with ranges that together cover `rows` rows of `columns` elements. The cut depends on the shape alone.
    func forEachRowRange(rows: Int, columns: Int, _ body: @Sendable (Range<Int>) -> Void) {
        guard rows > 0 else { return }
        let rowsOfTask = max(1, elementsOfTask / max(1, columns))
        let tasks = (rows + rowsOfTask - 1) / rowsOfTask
        guard tasks > 1 else { return body(0..<rows) }
        pool.run(tasks) { task in body(task * rowsOfTask..<min(rows, (task + 1) * rowsOfTask)) }
    }

    /// Calls `body` with ranges that together cover `count` consecutive elements.
    func forEachElementRange(_ count: Int, _ body: @Sendable (Range<Int>) -> Void) {
        guard count > 0 else { return }
        let tasks = (count + elementsOfTask - 1) / elementsOfTask
        guard tasks > 1 else { return body(0..<count) }
        pool.run(tasks) { task in body(task * elementsOfTask..<min(count, (task + 1) * elementsOfTask)) }
    }
}

extension WorkerPool {
    /// Calls `body` once for each task with scratch that no other task uses at the same time.
    ///
    /// There are at most `threadCount` pieces of scratch; which one a task gets is not defined, and it holds whatever
    /// the task before left there.
    func run(
        _ taskCount: Int, scratch: UnsafeMutableRawBufferPointer, byteCount: Int,
        _ body: @Sendable (_ task: Int, _ scratch: UnsafeMutableRawPointer) -> Void
    ) {
        guard taskCount > 0 else { return }
        let pieces = min(taskCount, threadCount)
        guard let base = scratch.baseAddress, scratch.count >= pieces * byteCount else {
            fatalError("a parallel region needs \(pieces * byteCount) bytes of scratch, \(scratch.count) were given")
        }
        nonisolated(unsafe) let start = base  // each piece is used by one task at a time
        let next = Atomic<Int>(0)
        run(pieces) { piece in
            while true {
                let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard task < taskCount else { return }
                body(task, start + piece * byteCount)
            }
        }
    }
}

/// Stops the program when two matrices that must have the same shape do not.
func requireSameShape(_ left: FloatMatrix, _ right: FloatMatrix) {
    guard left.rows == right.rows && left.columns == right.columns else {
        fatalError(
            "matrices of \(left.rows) x \(left.columns) and \(right.rows) x \(right.columns) must have one shape")
    }
}
