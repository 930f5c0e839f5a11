internal import Glibc

/// Times of repeated runs.
struct Measuring {
    /// Whether time is what this process got of the processors, divided by its threads, instead of what passed: for
    /// one thread on a machine that is busy with other work.
    let usesProcessorTime: Bool
    let threadCount: Int
    /// Whether the fastest run counts instead of the median one: for comparisons beside other work.
    let countsFastest: Bool

    /// Seconds that `body` takes.
    func time(_ body: () -> Void) -> Double {
        let start = now
        body()
        return now - start
    }

    private var now: Double {
        var time = timespec()
        clock_gettime(usesProcessorTime ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time)
        let seconds = Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        return usesProcessorTime ? seconds / Double(threadCount) : seconds
    }

    /// Seconds of the median run (or the fastest, where that counts): at least `runs` runs and `seconds` in all, after one that is not counted.
    func median(runs: Int, seconds: Double, _ body: () -> Void) -> Double {
        body()
        var times: [Double] = []
        var total = 0.0
        while times.count < runs || total < seconds {
            let time = time(body)
            times.append(time)
            total += time
        }
        times.sort()
        return countsFastest ? times[0] : times[times.count / 2]
    }

    /// Seconds of the fastest of `runs` runs.
    func best(runs: Int, _ body: () -> Void) -> Double {
        (0..<runs).map { _ in time(body) }.min() ?? .infinity
    }
}

/// A number with a fixed count of decimals, right-aligned.
func aligned(_ value: Double, decimals: Int, width: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (value * scale).rounded()
    guard scaled.isFinite, abs(scaled) < 1e15 else { return String(repeating: " ", count: max(0, width - 3)) + "n/a" }
    let digits = String(Int(abs(scaled)))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let text =
        (scaled < 0 ? "-" : "") + padded.dropLast(decimals) + (decimals > 0 ? "." : "") + padded.suffix(decimals)
    return String(repeating: " ", count: max(0, width - text.count)) + text
}

/// A text, left-aligned.
func padded(_ text: String, width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
