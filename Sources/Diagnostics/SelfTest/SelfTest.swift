package import Kernels

/// Every kernel that training, evaluation and generation use, on one instruction set, against references in double
/// precision: products with every storage forward and backward, in groups with the terms of adapters, few rows, rows of
/// embeddings, attention with its gradient and over a cache, norms, activations, losses, the optimizer, the quantizers,
/// the planes of checkpoints.
///
/// Inputs are the same on every machine. Deterministic; a quarter of a second for an instruction set.
package struct SelfTest {
    /// One comparison.
    package struct Check: Sendable {
        /// What was computed.
        package let name: String
        /// The type of products; float32 for everything that is no product.
        package let computeType: ComputeType
        /// The largest error that was found, in the unit of the tolerance.
        package let error: Double
        package let tolerance: Double

        /// Whether the error is within the tolerance; NaN is not.
        package var isPassed: Bool { error <= tolerance }

        /// The error as a share of the tolerance: above 1, or NaN, where the check fails.
        package var share: Double { error == 0 ? 0 : error / tolerance }
    }

    package private(set) var checks: [Check] = []
    let context: ComputeContext

    /// Runs all checks on the kernels of a table.
    ///
    /// - Parameters:
    ///   - kernels: of an instruction set that this processor supports.
    ///   - pool: the threads that compute.
    package init(_ kernels: KernelTable, pool: WorkerPool) {
        context = ComputeContext(kernels: kernels, pool: pool, computeType: .float32)
        for type in ComputeType.allCases where type == .float32 || kernels.instructionSet.hasBFloat16Products {
            checkProducts(type)
            checkGroups(type)
            checkAttention(type)
        }
        checkThinProducts()
        checkNorms()
        checkRotation()
        checkActivations()
        checkLosses()
        checkOptimizer()
        checkQuantizers()
        checkPlanes()
    }

    package var isPassed: Bool { checks.allSatisfy(\.isPassed) }
    package var failures: [Check] { checks.filter { !$0.isPassed } }

    /// The check that comes closest to its tolerance, or exceeds it most.
    package var worst: Check? {
        // NaN is above everything.
        checks.max { left, right in right.share.isNaN ? !left.share.isNaN : left.share < right.share }
    }

    mutating func record(_ name: String, _ error: Double, within tolerance: Double, _ type: ComputeType = .float32) {
        checks.append(Check(name: name, computeType: type, error: error, tolerance: tolerance))
    }
}
