internal import Synchronization

/// Turns of several lines, to be taken by several threads. The turns of a line are taken in order, not necessarily one after
/// the other's end.
///
/// A thread opens a line with memory of its own and takes all its turns, so that what they share stays in its cache. Only
/// when no line is left to open does it help another thread: each thread has one line open at most.
///
/// Whatever waits for an earlier turn of its line waits for a thread that is at it: the earliest turn that has not ended
/// waits for nobody.
final class AttentionLines: Sendable {
    /// Turns of each line.
    private let turnCounts: [Int]
    /// Blocks of keys of the longest line: a count for each beside the memory of a line.
    private let blockCount: Int
    private let opened = Atomic<Int>(0)
    private let words: Words
    private let pool: WorkerPool

    /// Owns the counts, all of them atomic: of each line its thread, or -1 before it is open, and the turns taken; of each
    /// thread the line that it has open, or -1, and the counts of that line's blocks.
    private struct Words: @unchecked Sendable {
        let base: UnsafeMutablePointer<Atomic<Int>>
    }

    init(turnCounts: [Int], blockCount: Int, pool: WorkerPool) {
        self.turnCounts = turnCounts
        self.blockCount = blockCount
        self.pool = pool
        let count = 2 * turnCounts.count + pool.threadCount * (1 + blockCount)
        words = Words(base: .allocate(capacity: max(1, count)))
        for index in 0..<count { (words.base + index).initialize(to: Atomic(0)) }
        for line in turnCounts.indices { owner(line).pointee.store(-1, ordering: .relaxed) }
        for thread in 0..<pool.threadCount { openLine(thread).pointee.store(-1, ordering: .relaxed) }
    }

    deinit { words.base.deallocate() }

    /// Takes one turn; to be called as often as there are turns. Turns are only ever taken, so that whoever finds the lines
    /// before one without turns finds its own at the latest in the last.
    ///
    /// - Parameter body: gets the line, the thread that opened it, and the turn.
    func takeTurn(worker: Int, _ body: (_ line: Int, _ owner: Int, _ turn: Int) -> Void) {
        let own = openLine(worker)
        var line = own.pointee.load(ordering: .relaxed)
        while true {
            if line >= 0, takeTurn(line, worker, body) { return }
            line = opened.wrappingAdd(1, ordering: .relaxed).oldValue
            if line >= turnCounts.count { break }
            own.pointee.store(line, ordering: .relaxed)
            for block in 0..<blockCount { count(worker, block).pointee.store(0, ordering: .relaxed) }
            owner(line).pointee.store(worker, ordering: .releasing)
        }
        own.pointee.store(-1, ordering: .relaxed)
        for line in turnCounts.indices {
            // Every line has a thread by now, which says so at once.
            let thread = owner(line)
            pool.wait(for: 0, at: thread) { thread.pointee.load(ordering: .acquiring) >= 0 }
            if takeTurn(line, thread.pointee.load(ordering: .acquiring), body) { return }
        }
    }

    private func takeTurn(_ line: Int, _ owner: Int, _ body: (Int, Int, Int) -> Void) -> Bool {
        guard taken(line).pointee.load(ordering: .relaxed) < turnCounts[line] else { return false }
        let turn = taken(line).pointee.wrappingAdd(1, ordering: .relaxed).oldValue
        guard turn < turnCounts[line] else { return false }
        body(line, owner, turn)
        return true
    }

    /// Waits until `steps` steps have been done at a block of the line that `owner` has opened.
    func wait(_ steps: Int, at block: Int, owner: Int) {
        let count = count(owner, block)
        pool.wait(for: steps, at: count) { count.pointee.load(ordering: .acquiring) >= steps }
    }

    /// Says that `steps` steps have been done at a block.
    func pass(_ steps: Int, at block: Int, owner: Int) {
        let count = count(owner, block)
        count.pointee.store(steps, ordering: .releasing)
        pool.signal(steps, at: count)
    }

    private func owner(_ line: Int) -> UnsafeMutablePointer<Atomic<Int>> { words.base + line }
    private func taken(_ line: Int) -> UnsafeMutablePointer<Atomic<Int>> { words.base + turnCounts.count + line }
    private func openLine(_ thread: Int) -> UnsafeMutablePointer<Atomic<Int>> {
        words.base + (2 * turnCounts.count + thread * (1 + blockCount))
    }
    private func count(_ owner: Int, _ block: Int) -> UnsafeMutablePointer<Atomic<Int>> {
        openLine(owner) + (1 + block)
    }
}
