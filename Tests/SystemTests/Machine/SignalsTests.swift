import Glibc
import System
import Testing

/// Signals are sent in a process of their own: the handlers belong to the whole process.
@Suite struct SignalsTests {
    @Test func firstSignalIsNoted() async {
        await #expect(processExitsWith: .success) {
            Signals.install()
            guard Signals.pending == nil else { _exit(2) }
            do { try Signals.throwIfInterrupted() } catch { _exit(3) }
            raise(SIGTERM)
            guard Signals.pending == SIGTERM else { _exit(4) }
            do throws(Failure) {
                try Signals.throwIfInterrupted()
                _exit(5)
            } catch {
                guard error.kind == .interrupted(signal: SIGTERM), error.kind.exitStatus == 143,
                    error.description == "interrupted by SIGTERM."
                else { _exit(6) }
            }
        }
    }

    @Test func secondSignalEndsAtOnce() async {
        await #expect(processExitsWith: .exitCode(130)) {
            Signals.install()
            raise(SIGTERM)
            raise(SIGINT)
            _exit(2)
        }
    }

    /// A signal is noted on whichever thread it arrives, also while the main thread waits in a system call.
    @Test func signalFromOutsideDuringAWait() async {
        await #expect(processExitsWith: .success) {
            Signals.install()
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { _ in
                    usleep(20_000)
                    kill(getpid(), SIGINT)
                    return nil
                }, nil)
            for _ in 0..<500 where Signals.pending == nil { usleep(10_000) }
            guard Signals.pending == SIGINT else { _exit(2) }
        }
    }

    @Test func hangUpStaysIgnoredUnderNohup() async {
        await #expect(processExitsWith: .success) {
            signal(SIGHUP, SIG_IGN)
            Signals.install()
            raise(SIGHUP)
            raise(SIGHUP)
            guard Signals.pending == nil else { _exit(2) }
        }
        await #expect(processExitsWith: .success) {
            Signals.install()
            raise(SIGHUP)
            guard Signals.pending == SIGHUP, Signals.name(SIGHUP) == "SIGHUP" else { _exit(2) }
        }
    }

    @Test func closedPipesAndFileSizeLimitsAreErrors() async {
        await #expect(processExitsWith: .success) {
            Signals.install()
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            close(ends[0])
            guard write(ends[1], "x", 1) == -1, errno == EPIPE else { _exit(2) }
            var limit = rlimit(rlim_cur: 10, rlim_max: 10)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            var template = Array("/tmp/qlora-limit-XXXXXX".utf8CString)
            let descriptor = mkstemp(&template)
            unlink(template)
            let bytes = [UInt8](repeating: 1, count: 20)
            guard write(descriptor, bytes, 20) == 10, write(descriptor, bytes, 20) == -1, errno == EFBIG
            else { _exit(3) }
        }
    }
}
