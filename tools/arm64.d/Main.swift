internal import Diagnostics
internal import Glibc
internal import Kernels
internal import System

@main
struct SelfTestOnARM {
    /// Prints the check that comes closest to its tolerance for each number of threads, and every one that fails.
    static func main() {
        var hasFailed = false
        for threads in [1, 2, 5] {
            let test = SelfTest(KernelTable(.portable), pool: WorkerPool(threadCount: threads))
            for check in test.failures { print("FAILED: \(check.name)") }
            let closest =
                test.worst.map { "\($0.name), at \(Int(min($0.share, 1000) * 100)) % of its tolerance" } ?? "none"
            print(
                "\(threads) threads: \(test.checks.count) comparisons, \(test.failures.count) failed; closest \(closest)"
            )
            hasFailed = hasFailed || !test.isPassed
        }
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* $0) }
        var (fast, plain) = (SHA256(usesInstructions: true), SHA256(usesInstructions: false))
        fast.update(bytes)
        plain.update(bytes)
        let isEqual = fast.digest() == plain.digest()
        print(
            "SHA-256 by instructions: \(SHA256.hasInstructions ? "" : "not ")there, digests \(isEqual ? "equal" : "DIFFER")"
        )
        exit(hasFailed || !isEqual ? 1 : 0)
    }
}
