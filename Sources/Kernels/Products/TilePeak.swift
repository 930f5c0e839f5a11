internal import CIntrinsics

extension ComputeContext {
    /// Bytes of memory, aligned to 64 and holding finite numbers, that each thread of `runTiles` needs.
    package var tileMemoryByteCount: Int { (Int(kernels.products.workspace_bytes) + 63) & ~63 }

    /// Runs the full tile of the compute type on data in the first-level cache, on the calling thread: the peak that
    /// products are measured against. Returns the floating point operations done.
    package func runTiles(repetitions: Int, memory: UnsafeMutableRawPointer) -> Double {
        kernels.products.tile_peak(computeType == .bfloat16 ? 1 : 0, Int64(repetitions), memory)
    }
}
