internal import Tensors

/// Most elements that a task of an elementwise pass handles: some ten microseconds of work, half of an L2 cache.
private let elementsOfTask = 32_768

/// Tasks that a pass is cut into where it has as many rows: enough for sixteen threads to end together.
private let wantedTasks = 64

/// Elements below which a task would cost more to hand out than to do.
private let smallestTask = 1_024

/// How an elementwise pass over rows is cut into tasks: by the shape alone.
struct RowCut: Sendable {
    let taskCount: Int
    private let rows: Int
    private let rowsOfTask: Int

    init(rows: Int, columns: Int) {
        let columns = max(1, columns)
        let wanted = max(rows / wantedTasks, smallestTask / columns)
        self.rows = rows
        rowsOfTask = max(1, min(elementsOfTask / columns, wanted))
        taskCount = (rows + rowsOfTask - 1) / rowsOfTask
    }

    func rows(of task: Int) -> Range<Int> { task * rowsOfTask..<min(rows, (task + 1) * rowsOfTask) }
}

extension ComputeContext {
    /// Calls `body` with ranges that together cover `rows` rows of `columns` elements.
    ///
    /// - Parameter part: what a profile counts the time under.
    func forEachRowRange(
        rows: Int, columns: Int, as part: StaticString = "elementwise", _ body: @Sendable (Range<Int>) -> Void
    ) {
        guard rows > 0 else { return }
        let cut = RowCut(rows: rows, columns: columns)
        measured(part) {
            pool.run(cut.taskCount) { task in body(cut.rows(of: task)) }
        }
    }

    /// Calls `body` with ranges that together cover `count` consecutive elements.
    func forEachElementRange(
        _ count: Int, as part: StaticString = "elementwise", _ body: @Sendable (Range<Int>) -> Void
    ) {
        guard count > 0 else { return }
        let length = min(elementsOfTask, max(smallestTask, count / wantedTasks & ~63))
        let tasks = (count + length - 1) / length
        measured(part) {
            pool.run(tasks) { task in body(task * length..<min(count, (task + 1) * length)) }
        }
    }

    /// Calls `body` once for each task with scratch that no other task uses at the same time: one piece for each
    /// thread. Which one a task gets is not defined, and it holds whatever the task before left there.
    func forEachTask(
        _ part: StaticString, _ taskCount: Int, scratch: UnsafeMutableRawBufferPointer, byteCount: Int,
        _ body: @Sendable (_ task: Int, _ scratch: UnsafeMutableRawPointer) -> Void
    ) {
        guard taskCount > 0 else { return }
        guard let base = scratch.baseAddress, scratch.count >= pool.threadCount * byteCount else {
            fatalError(
                "a parallel region needs \(pool.threadCount * byteCount) bytes of scratch, \(scratch.count) were given")
        }
        nonisolated(unsafe) let start = base  // each piece is used by one thread
        measured(part) {
            pool.runOnWorkers(taskCount) { task, worker in body(task, start + worker * byteCount) }
        }
    }
}

extension WorkerPool {
    /// Runs the tasks of several parts as one region, those of the first part first.
    func run(_ parts: [RegionPart]) {
        start(parts, oneByOne: 0)
        finish()
    }

    /// The same as `start` of tasks.
    ///
    /// - Parameter oneByOne: how many of the first parts have tasks that are longer than those of the parts behind them: these
    ///   keep the threads busy that finish the long ones first.
    func start(_ parts: [RegionPart], oneByOne: Int) {
        let ends = parts.reduce(into: [Int]()) { $0.append(($0.last ?? 0) + $1.taskCount) }
        start(ends.last ?? 0, oneByOne: oneByOne == 0 ? 0 : ends[oneByOne - 1]) { tasks, worker in
            var part = 0
            var next = tasks.lowerBound
            while next < tasks.upperBound {
                while next >= ends[part] { part += 1 }
                let start = part == 0 ? 0 : ends[part - 1]
                let end = min(tasks.upperBound, ends[part])
                parts[part].body(next - start..<end - start, worker)
                next = end
            }
        }
    }
}

/// Tasks of one kind in a region that has several kinds.
struct RegionPart: Sendable {
    let taskCount: Int
    /// Called with runs of consecutive tasks.
    let body: @Sendable (_ tasks: Range<Int>, _ worker: Int) -> Void

    init(taskCount: Int, _ body: @escaping @Sendable (_ tasks: Range<Int>, _ worker: Int) -> Void) {
        self.taskCount = taskCount
        self.body = body
    }

    /// Tasks that are done one by one.
    init(taskCount: Int, each body: @escaping @Sendable (_ task: Int) -> Void) {
        self.init(taskCount: taskCount) { tasks, _ in
            for task in tasks { body(task) }
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
