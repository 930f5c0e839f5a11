/// The type in which inputs enter products with the frozen base and those of attention; sums are float32 always.
public enum ComputeType: String, Sendable, CaseIterable {
    case float32
    /// Inputs rounded once, to nearest even; only where the processor multiplies bfloat16 itself.
    case bfloat16
}

/// Everything a computation runs on: kernels of one instruction set, threads, and the type of products.
package struct ComputeContext: Sendable {
    package let kernels: KernelTable
    package let pool: WorkerPool
    package let computeType: ComputeType
    /// Receives the time of each computation, where a step is to be taken apart; nil otherwise.
    package let profile: StepProfile?
    let plans = ProductPlans()

    package init(kernels: KernelTable, pool: WorkerPool, computeType: ComputeType, profile: StepProfile? = nil) {
        guard computeType == .float32 || kernels.instructionSet.hasBFloat16Products else {
            fatalError("bfloat16 products are never emulated: \(kernels.instructionSet.rawValue) has none")
        }
        self.kernels = kernels
        self.pool = pool
        self.computeType = computeType
        self.profile = profile
    }

    /// Runs `body`, its time being counted under `part` unless a caller already counts it under a part of its own.
    package func measured<Value>(_ part: StaticString, _ body: () -> Value) -> Value {
        guard let profile else { return body() }
        profile.finish(pool)
        return profile.measure(part, body)
    }

    /// Starts a region, its time until `finish`, or until the next part begins, being counted under `part`.
    func start(_ part: StaticString, _ parts: [RegionPart], oneByOne: Int) {
        guard let profile else { return pool.start(parts, oneByOne: oneByOne) }
        profile.finish(pool)
        profile.begin(part)
        pool.start(parts, oneByOne: oneByOne)
    }

    /// Returns when whatever was started is done.
    package func finish() {
        guard let profile else { return pool.finish() }
        profile.finish(pool)
    }
}
