internal import Glibc
internal import Synchronization

/// A line on the terminal that says how far a job is; nothing where standard error is no terminal.
///
/// May be advanced from any thread; it draws at most ten times a second.
final class ProgressBar: Sendable {
    private static let redrawInterval = Duration.milliseconds(100)

    private struct State {
        var done = 0
        var detail = ""
        var drawnAt: ContinuousClock.Instant?
    }

    private let title: String
    private let total: Int
    private let isVisible: Bool
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    /// A bar over `total` units of work; see `Console.progress(_:total:)`.
    init(title: String, total: Int, isVisible: Bool) {
        self.title = title
        self.total = max(1, total)
        self.isVisible = isVisible
    }

    /// Units done so far, and a few words beside the bar (a loss, a tensor's name).
    func update(to done: Int, detail: String = "") {
        guard isVisible else { return }
        let line: String? = state.withLock { state in
            state.done = min(max(0, done), total)
            state.detail = detail
            let now = ContinuousClock.now
            if let drawnAt = state.drawnAt, now - drawnAt < Self.redrawInterval { return nil }
            state.drawnAt = now
            return text(state, now: now)
        }
        if let line { StandardStreams.drawBar(line) }
    }

    /// Removes the bar from the terminal.
    func finish() {
        guard isVisible else { return }
        StandardStreams.drawBar(nil)
    }

    private func text(_ state: State, now: ContinuousClock.Instant) -> String {
        let share = Double(state.done) / Double(total)
        var line = "\(title) \(state.done)/\(total) (\(Int(share * 100)) %)"
        if state.done > 0, state.done < total {
            let elapsed = (now - start) / .seconds(1)
            line += ", \(DurationText.clock(seconds: Int(elapsed / share * (1 - share)))) left"
        }
        if !state.detail.isEmpty { line += "  \(state.detail)" }
        return String(line.prefix((StandardStreams.columnCount(STDERR_FILENO) ?? 80) - 1))
    }
}
