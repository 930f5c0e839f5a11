internal import ArgumentParser
internal import Kernels
internal import ModelFiles
internal import System

/// `--compute`: the type of products with the frozen base, and in attention.
enum ComputeChoice: String, CaseIterable, ExpressibleByArgument {
    case auto, float32, bfloat16
}

extension CommonOptions {
    /// The kernels, threads and type of products that the options and `QLORA_ISA` choose.
    func computeContext(_ choice: ComputeChoice) throws -> ComputeContext {
        let set = try InstructionSet.selected()
        let type: ComputeType
        switch choice {
        case .auto: type = set.hasBFloat16Products ? .bfloat16 : .float32
        case .float32: type = .float32
        case .bfloat16:
            guard set.hasBFloat16Products else {
                throw Failure(
                    .unsupported, "the instruction set \(set.rawValue) has no bfloat16 products",
                    remedy: "Leave --compute out, or give --compute float32")
            }
            type = .bfloat16
        }
        return ComputeContext(
            kernels: KernelTable(set), pool: WorkerPool(threadCount: threads ?? ProcessorInfo.defaultThreadCount),
            computeType: type)
    }
}

/// What long computations ask now and then: whether to stop.
enum Interruption {
    /// Throws where a signal came or a mapped file changed under us.
    static func check(_ directory: ModelDirectory) throws(Failure) {
        try Signals.throwIfInterrupted()
        if MappedFile.anyFault { try directory.checkpoint.throwIfChanged() }
    }
}
