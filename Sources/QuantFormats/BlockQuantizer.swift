internal import CIntrinsics
package import Kernels
package import System

/// Quantizes, restores and measures elements in blocks of one format and size.
///
/// Codes and scales of nf4 and fp4 equal bitsandbytes' on the CPU to the bit: full blocks are multiplied with the
/// reciprocal of their largest magnitude, taken as at least 1e-38; a last, short block is divided by it, and the scale
/// stored for that one is at least 1e-38. Blocks follow the flattened order of a tensor, across rows.
package struct BlockQuantizer: Sendable {
    package let format: QuantFormat
    package let blockSize: Int
    private let kernels: KernelTable
    private let pool: WorkerPool

    /// Elements of one task of the pool: a multiple of every block size. Results do not depend on it, except the last
    /// digits of error sums.
    private static let taskCount = 1 << 16

    /// - Throws: `Failure` of kind `usage` for a block size that no format has.
    package init(format: QuantFormat, blockSize: Int, kernels: KernelTable, pool: WorkerPool) throws(Failure) {
        guard QuantFormat.blockSizes.contains(blockSize) else {
            throw Failure(
                .usage, "the block size \(blockSize) is not supported",
                remedy: "Choose one of \(QuantFormat.blockSizes.map(String.init).joined(separator: ", "))")
        }
        self.format = format
        self.blockSize = blockSize
        self.kernels = kernels
        self.pool = pool
    }

    /// Blocks of `count` elements, the last one possibly short.
    package func blockCount(_ count: Int) -> Int { count / blockSize + (count % blockSize == 0 ? 0 : 1) }

    // MARK: - Quantize

    /// Quantizes `count` elements that begin a block.
    ///
    /// - Parameters:
    ///   - source: `count` elements of `type`, at any alignment.
    ///   - codes: room for `format.codeByteCount(count)` bytes.
    ///   - scales: room for `blockCount(count)` floats: the largest magnitude of each block (4 bits) or that / 127
    ///     (int8).
    /// - Returns: the index of the first element that is not finite, nil if all are; codes and scales are defined only
    ///   if all are.
    package func quantize(
        _ source: UnsafeRawPointer, type: SourceType, count: Int, codes: UnsafeMutablePointer<UInt8>,
        scales: UnsafeMutablePointer<Float>
    ) -> Int? {
        let tasks = (count + Self.taskCount - 1) / Self.taskCount
        var offending = [Int](repeating: count, count: tasks)
        offending.withUnsafeMutableBufferPointer { offending in
            let job = Job(source: source, type: type, codes: codes, scales: scales, results: offending.baseAddress)
            pool.run(tasks) { task in
                let start = task * Self.taskCount
                let index = quantizeTask(job, start: start, count: min(Self.taskCount, count - start))
                if let index { job.results?[task] = start + index }
            }
        }
        return offending.first { $0 < count }
    }

    /// Where a region reads and writes; tasks touch disjoint parts.
    private struct Job: @unchecked Sendable {
        let source: UnsafeRawPointer
        let type: SourceType
        let codes: UnsafeMutablePointer<UInt8>
        let scales: UnsafeMutablePointer<Float>
        let results: UnsafeMutablePointer<Int>?
    }

    /// The first element that is not finite, counted from `start`.
    private func quantizeTask(_ job: Job, start: Int, count: Int) -> Int? {
        let source = job.source + start * job.type.byteCount
        let codes = job.codes + format.codeByteCount(start), scales = job.scales + start / blockSize
        let blocks = count / blockSize, full = blocks * blockSize
        var view = qk_source_blocks(
            elements: source, type: job.type.kernelType, block_count: Int64(blocks), block_size: Int64(blockSize))
        let bad: Int64
        switch format.coding {
        case .table4(let table):
            var table = table.kernelTable
            bad = kernels.quantizers.quantize_table4(&view, &table, codes, scales)
        case .signed8: bad = kernels.quantizers.quantize_signed8(&view, codes, scales)
        }
        if bad >= 0 { return firstNonFinite(source, job.type, from: Int(bad) * blockSize, to: count) }
        guard full < count else { return nil }
        if let index = firstNonFinite(source, job.type, from: full, to: count) { return index }
        quantizeTail(
            source + full * job.type.byteCount, type: job.type, count: count - full,
            codes: codes + format.codeByteCount(full), scale: &scales[blocks])
        return nil
    }

    private func firstNonFinite(_ source: UnsafeRawPointer, _ type: SourceType, from: Int, to: Int) -> Int? {
        (from..<to).first { !type.element(source, $0).isFinite }
    }

    /// A short block: divided, not multiplied with the reciprocal.
    private func quantizeTail(
        _ source: UnsafeRawPointer, type: SourceType, count: Int, codes: UnsafeMutablePointer<UInt8>,
        scale: inout Float
    ) {
        var largest: Float = 0
        for index in 0..<count { largest = max(largest, type.element(source, index).magnitude) }
        switch format.coding {
        case .table4(let table):
            largest = max(largest, 1e-38)
            scale = largest
            func code(_ index: Int) -> UInt8 {
                table.code(index < count ? max(-1, min(1, type.element(source, index) / largest)) : 0)
            }
            for pair in 0..<format.codeByteCount(count) { codes[pair] = code(2 * pair) << 4 | code(2 * pair + 1) }
        case .signed8:
            scale = largest / 127
            let factor = 127 / max(largest, 0x1p-119)
            for index in 0..<count {
                let code = (type.element(source, index) * factor).rounded(.toNearestOrEven)
                codes[index] = UInt8(bitPattern: Int8(code))
            }
        }
    }

    // MARK: - Measure

    /// Adds the errors that quantization made to the sums.
    ///
    /// - Parameters:
    ///   - source: `count` elements of `type`.
    ///   - norms: what `quantize` stored as scales.
    ///   - scales: what the codes are multiplied with when read: the same, or restored after double quantization.
    package func measure(
        _ source: UnsafeRawPointer, type: SourceType, count: Int, codes: UnsafePointer<UInt8>,
        norms: UnsafePointer<Float>, scales: UnsafePointer<Float>
    ) -> QuantizationError {
        let tasks = (count + Self.taskCount - 1) / Self.taskCount
        var parts = [QuantizationError](repeating: QuantizationError(), count: tasks)
        parts.withUnsafeMutableBufferPointer { parts in
            let job = MeasureJob(
                source: source, type: type, codes: codes, norms: norms, scales: scales, results: parts.baseAddress)
            pool.run(tasks) { task in
                let start = task * Self.taskCount
                job.results?[task] = measureTask(job, start: start, count: min(Self.taskCount, count - start))
            }
        }
        return parts.reduce(into: QuantizationError()) { $0.add($1) }
    }

    /// Where a region reads, and the result of each task.
    private struct MeasureJob: @unchecked Sendable {
        let source: UnsafeRawPointer
        let type: SourceType
        let codes: UnsafePointer<UInt8>
        let norms: UnsafePointer<Float>
        let scales: UnsafePointer<Float>
        let results: UnsafeMutablePointer<QuantizationError>?
    }

    private func measureTask(_ job: MeasureJob, start: Int, count: Int) -> QuantizationError {
        let source = job.source + start * job.type.byteCount
        let codes = job.codes + format.codeByteCount(start), block = start / blockSize
        let blocks = count / blockSize, full = blocks * blockSize
        var view = qk_source_blocks(
            elements: source, type: job.type.kernelType, block_count: Int64(blocks), block_size: Int64(blockSize))
        var sums = qk_error_sums()
        switch format.coding {
        case .table4(let table):
            var table = table.kernelTable
            kernels.quantizers.measure_table4(&view, &table, codes, job.norms + block, job.scales + block, &sums)
        case .signed8: kernels.quantizers.measure_signed8(&view, codes, job.scales + block, &sums)
        }
        var error = QuantizationError(
            count: count, squaredError: sums.squared_error, squaredValue: sums.squared_value,
            largest: sums.largest_error)
        for index in full..<count {
            error.add(
                value: job.type.element(source, index),
                restored: value(codes, index) * job.scales[block + blocks])
        }
        return error
    }

    // MARK: - Restore

    /// What a code stands for, before it is scaled.
    @inline(__always) private func value(_ codes: UnsafePointer<UInt8>, _ index: Int) -> Float {
        switch format.coding {
        case .table4(let table): table.values[Int(codes[index / 2] >> (index % 2 == 0 ? 4 : 0) & 15)]
        case .signed8: Float(Int8(bitPattern: codes[index]))
        }
    }

    /// Restores `count` elements from the beginning of a block: value of the code times the scale, in float32.
    package func dequantize(
        codes: UnsafePointer<UInt8>, scales: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>
    ) {
        for index in 0..<count { output[index] = value(codes, index) * scales[index / blockSize] }
    }
}
