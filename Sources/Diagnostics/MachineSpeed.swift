package import Kernels
internal import Synchronization
internal import Tensors

/// What the processor and the memory can do at most: the measure of what kernels reach.
package enum MachineSpeed {
    /// GFLOP/s of the best tile of the context's compute type on data in the first-level caches, on all threads of its
    /// pool: the fastest of `runs` runs, some milliseconds each.
    package static func tilePeak(_ context: ComputeContext, measuring: Measuring, runs: Int) -> Double {
        let bytes = context.tileMemoryByteCount
        let threads = context.pool.threadCount
        let memory = AlignedMemory(byteCount: bytes * threads)
        let base = Int(bitPattern: memory.base)
        let operations = Atomic<Int>(0)
        // So long that the system has spread new threads over the processors.
        let time = measuring.best(runs: runs, seconds: 0.25) {
            operations.store(0, ordering: .relaxed)
            context.pool.run(threads) { index in
                guard let part = UnsafeMutableRawPointer(bitPattern: base + index * bytes) else { return }
                operations.wrappingAdd(Int(context.runTiles(repetitions: 5000, memory: part)), ordering: .relaxed)
            }
        }
        return Double(operations.load(ordering: .relaxed)) / time * 1e-9
    }

    /// A plain read of memory regions by all threads. Regions that together exceed the last-level cache several times show
    /// the bandwidth of the memory.
    ///
    /// - Parameters:
    ///   - regions: memory that holds anything.
    ///   - byteCount: bytes of each region, a multiple of 1024.
    package static func read(_ pool: WorkerPool, regions: [UnsafeRawPointer], byteCount: Int) {
        let parts = regions.map { Int(bitPattern: $0) }
        let sink = Atomic<UInt64>(0)
        let slices = 8
        pool.run(parts.count * slices) { index in
            guard
                let start = UnsafeRawPointer(
                    bitPattern: parts[index / slices] + index % slices * (byteCount / slices))
            else { return }
            var sums = (SIMD8<UInt64>(), SIMD8<UInt64>())
            for offset in stride(from: 0, to: byteCount / slices, by: 128) {
                sums.0 &+= start.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)
                sums.1 &+= start.loadUnaligned(fromByteOffset: offset + 64, as: SIMD8<UInt64>.self)
            }
            sink.wrappingAdd((sums.0 &+ sums.1).wrappedSum(), ordering: .relaxed)
        }
    }

    /// GB/s of `read`, the median of `runs` runs, of memory taken for it: `byteCount` bytes in regions of 16 MiB, at least
    /// one.
    package static func readBandwidth(_ pool: WorkerPool, byteCount: Int, measuring: Measuring, runs: Int) -> Double {
        let region = 16 << 20
        let count = max(1, byteCount / region)
        let memory = AlignedMemory(byteCount: count * region)
        // Pages that nobody has written are one and the same page of zeros.
        memory.base.initializeMemory(as: UInt8.self, repeating: 1, count: memory.byteCount)
        let regions = (0..<count).map { UnsafeRawPointer(memory.base + $0 * region) }
        let time = measuring.median(runs: runs, seconds: 0) { read(pool, regions: regions, byteCount: region) }
        return Double(count * region) / time * 1e-9
    }
}
