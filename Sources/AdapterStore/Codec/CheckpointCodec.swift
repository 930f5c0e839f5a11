package import Kernels

/// What encoding and decoding run on. Files depend on neither the kernels nor the number of threads.
package struct CheckpointCodec: Sendable {
    package let kernels: KernelTable
    package let pool: WorkerPool

    package init(kernels: KernelTable, pool: WorkerPool) {
        self.kernels = kernels
        self.pool = pool
    }

    package init(_ context: ComputeContext) { self.init(kernels: context.kernels, pool: context.pool) }

    /// Chunks that are encoded at a time.
    var encoderCount: Int { min(2 * pool.threadCount, 16) }

    /// Memory in bytes that writing or reading takes beside the tensors, the mapped file not counted.
    package var workingByteCount: Int {
        encoderCount * ChunkEncoder.byteCount + pool.threadCount * ChunkDecoder.byteCount
    }
}
