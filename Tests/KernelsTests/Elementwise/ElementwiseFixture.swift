import Kernels

/// A computation on every instruction set of this machine.
func contexts(threads: Int = 2) -> [ComputeContext] {
    InstructionSet.supported.map {
        ComputeContext(kernels: KernelTable($0), pool: WorkerPool(threadCount: threads), computeType: .float32)
    }
}

/// Units in the last place between a float and the exact value.
func unitsInLastPlace(_ own: Float, _ exact: Double) -> Double {
    abs(Double(own) - exact) / Double(max(abs(Float(exact)), .leastNormalMagnitude).ulp)
}

/// Row lengths that are multiples of nothing, beside some that fill vectors exactly.
let oddLengths = [1, 2, 7, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100, 127, 576, 1003]
