internal import Glibc
internal import Synchronization

/// The first signal that asked the process to end, 0 before; written by the handler.
private let firstSignal = Atomic<Int32>(0)

/// Requests to end the process: noted by a handler, obeyed where the program can stop without losing work.
///
/// `sigwait` would not do: the algebra library starts a thread before `main` that would receive the signal and end the
/// process.
public enum Signals {
    /// From now on SIGINT, SIGTERM and SIGHUP are noted instead of ending the process, and a second one ends it at once
    /// (status 128 + number). Writing to a closed pipe or beyond a file size limit becomes an error of `write`.
    ///
    /// SIGHUP stays ignored where it is, as under `nohup`. The calling thread receives these signals even if the process
    /// was started with them blocked.
    public static func install() {
        // The handler must not be the first to touch a global, which may be initialised lazily under a lock.
        _ = firstSignal.load(ordering: .relaxed)
        var handled = sigset_t()
        sigemptyset(&handled)
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            var previous = sigaction()
            if signal == SIGHUP, sigaction(signal, nil, &previous) == 0, isIgnored(previous) { continue }
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { signal in
                let (first, _) = firstSignal.compareExchange(
                    expected: 0, desired: signal, ordering: .sequentiallyConsistent)
                if !first { _exit(128 + signal) }
            }
            action.sa_flags = SA_RESTART
            sigemptyset(&action.sa_mask)
            sigaction(signal, &action, nil)
            sigaddset(&handled, signal)
        }
        pthread_sigmask(SIG_UNBLOCK, &handled, nil)
        for signal in [SIGPIPE, SIGXFSZ] { Glibc.signal(signal, SIG_IGN) }
    }

    /// The signal that asked the process to end; nil if none came.
    public static var pending: Int32? {
        let signal = firstSignal.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }

    /// Throws if a signal came: called between micro-batches, blocks and files, where work so far can be kept.
    ///
    /// - Throws: `Failure` of kind `interrupted`.
    public static func throwIfInterrupted() throws(Failure) {
        guard let signal = pending else { return }
        throw Failure(.interrupted(signal: signal), "interrupted by \(name(signal))")
    }

    /// `SIGINT` and the like.
    public static func name(_ signal: Int32) -> String {
        switch signal {
        case SIGINT: "SIGINT"
        case SIGTERM: "SIGTERM"
        case SIGHUP: "SIGHUP"
        default: "signal \(signal)"
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        // SIG_IGN is the address 1.
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }
}
