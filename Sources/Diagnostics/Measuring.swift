internal import Glibc

/// Times of repeated runs.
package struct Measuring: Sendable {
    /// Whether time is what this process got of the processors, divided by its threads, instead of what passed: for
    /// one thread on a machine that is busy with other work.
    package let usesProcessorTime: Bool
    package let threadCount: Int
    /// Whether the fastest run counts instead of the median one: for comparisons beside other work.
    package let countsFastest: Bool

    package init(threadCount: Int, usesProcessorTime: Bool = false, countsFastest: Bool = false) {
        self.threadCount = threadCount
        self.usesProcessorTime = usesProcessorTime
        self.countsFastest = countsFastest
    }

    /// Seconds that `body` takes.
    package func time(_ body: () -> Void) -> Double {
        let start = now
        body()
        return now - start
    }

    /// The same for what may fail.
    package func timed<Problem: Error>(_ body: () throws(Problem) -> Void) throws(Problem) -> Double {
        let start = now
        try body()
        return now - start
    }

    private var now: Double {
        usesProcessorTime
            ? Self.seconds(CLOCK_PROCESS_CPUTIME_ID) / Double(threadCount) : Self.seconds(CLOCK_MONOTONIC)
    }

    /// Seconds that this process got of all processors so far.
    package static var processorSeconds: Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Seconds of the median run (or the fastest, where that counts): at least `runs` runs and `seconds` in all, after one
    /// that is not counted.
    package func median(runs: Int, seconds: Double, _ body: () -> Void) -> Double {
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

    /// The same of two bodies that run in turn, for a ratio that outlives a change of the machine's speed.
    package func medians(runs: Int, _ first: () -> Void, _ second: () -> Void) -> (Double, Double) {
        first()
        second()
        var times: ([Double], [Double]) = ([], [])
        for _ in 0..<runs {
            times.0.append(time(first))
            times.1.append(time(second))
        }
        func chosen(_ times: [Double]) -> Double { times.sorted()[countsFastest ? 0 : times.count / 2] }
        return (chosen(times.0), chosen(times.1))
    }

    /// Seconds of the fastest run: at least `runs` runs and `seconds` in all.
    package func best(runs: Int, seconds: Double = 0, _ body: () -> Void) -> Double {
        var fastest = Double.infinity, total = 0.0, count = 0
        while count < runs || total < seconds {
            let time = time(body)
            fastest = min(fastest, time)
            total += time
            count += 1
        }
        return fastest
    }
}
