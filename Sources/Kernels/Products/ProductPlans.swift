internal import CIntrinsics
internal import Synchronization

/// The plans that were made last: a step asks for the same few again and again.
final class ProductPlans: Sendable {
    private struct Entry {
        let rows: Int
        let reductions, results: [Int]
        let bfloat16: Bool
        let plan: ProductPlan
    }

    /// At most `limit`, of one table of kernels and one number of threads.
    private let entries = Mutex<[Entry]>([])
    private static let limit = 16

    /// `ProductPlan.init`.
    func plan(
        _ kernels: qk_product_kernels, rows: Int, reductions: [Int], results: [Int], bfloat16: Bool, threads: Int
    ) -> ProductPlan {
        entries.withLock { entries in
            let known = entries.first {
                $0.rows == rows && $0.bfloat16 == bfloat16 && $0.reductions == reductions && $0.results == results
            }
            if let known { return known.plan }
            let plan = ProductPlan(
                kernels, rows: rows, reductions: reductions, results: results, bfloat16: bfloat16, threads: threads)
            if entries.count == Self.limit { entries.removeFirst() }
            entries.append(
                Entry(rows: rows, reductions: reductions, results: results, bfloat16: bfloat16, plan: plan))
            return plan
        }
    }
}
