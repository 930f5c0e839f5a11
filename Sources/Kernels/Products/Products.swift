internal import CIntrinsics
internal import Synchronization
package import Tensors

// Products with a stored weight W [N, K].
//
// Bits: row m of a result depends on row m of the input and on W, on nothing else: not on the number of rows, on the
// threads, or on where a tile or a chunk begins. Sums run over blocks of the reduction whose length depends on the
// reduction, the instruction set and the compute type; each block is summed from zero in order (one product at a time
// in float32, two in bfloat16), blocks are added in order, then the bias, and the result is added to what was there.

extension ComputeContext {
    /// Bytes of scratch that the products need for at most `rows` rows and matrices of at most `dimension` rows and
    /// columns: the packed input and a workspace for each thread.
    package func productScratchByteCount(rows: Int, dimension: Int) -> Int {
        let packedRows = rows + Int(kernels.products.tile_rows)
        let packed = packedRows * ((dimension + 127) & ~127) * 4
        return 64 + ((packed + 63) & ~63) + pool.threadCount * workspaceStride
    }

    private var workspaceStride: Int { (Int(kernels.products.workspace_bytes) + 63) & ~63 }

    /// Y [M, N] = X [M, K] · Wᵀ + bias [N], or that added to Y.
    ///
    /// - Parameters:
    ///   - computeType: the type of the inputs, by default the context's. Under bfloat16, X and the value code × scale
    ///     of a weight are rounded once, to nearest even; sums are float32.
    ///   - scratch: at least `productScratchByteCount` bytes; used during the call only.
    package func forward(
        _ x: FloatMatrix, _ weight: StoredMatrix, bias: UnsafePointer<Float>?, into y: FloatMatrix, adding: Bool,
        computeType: ComputeType? = nil, scratch: UnsafeMutableRawBufferPointer
    ) {
        guard x.columns == weight.columns, y.columns == weight.rows, x.rows == y.rows else {
            fatalError(
                "a product of [\(x.rows), \(x.columns)] with [\(weight.rows), \(weight.columns)] cannot fill"
                    + " [\(y.rows), \(y.columns)]")
        }
        multiply(
            x, weight, bias: bias, into: y, adding: adding, gradient: false, computeType: computeType, scratch: scratch)
    }

    /// dX [M, K] = dY [M, N] · W, or that added to dX; otherwise as `forward`.
    package func inputGradient(
        _ dY: FloatMatrix, _ weight: StoredMatrix, into dX: FloatMatrix, adding: Bool, computeType: ComputeType? = nil,
        scratch: UnsafeMutableRawBufferPointer
    ) {
        guard dY.columns == weight.rows, dX.columns == weight.columns, dX.rows == dY.rows else {
            fatalError(
                "a gradient of [\(dY.rows), \(dY.columns)] through [\(weight.rows), \(weight.columns)] cannot fill"
                    + " [\(dX.rows), \(dX.columns)]")
        }
        multiply(
            dY, weight, bias: nil, into: dX, adding: adding, gradient: true, computeType: computeType, scratch: scratch)
    }

    private func multiply(
        _ x: FloatMatrix, _ weight: StoredMatrix, bias: UnsafePointer<Float>?, into y: FloatMatrix, adding: Bool,
        gradient: Bool, computeType: ComputeType?, scratch: UnsafeMutableRawBufferPointer
    ) {
        guard x.rows > 0, x.columns > 0, y.columns > 0 else { return }
        let bfloat16 = usesBFloat16(computeType)
        let kernels = kernels.products
        let plan = ProductPlan(
            kernels, rows: x.rows, reduction: x.columns, outputs: y.columns, bfloat16: bfloat16)
        let workspaceStride = workspaceStride
        let memory = alignedScratch(scratch, rows: x.rows, dimension: max(x.columns, y.columns))
        let workspaces = memory
        let packed = memory + pool.threadCount * workspaceStride
        pack(x, plan, bfloat16: bfloat16, into: packed)

        // One region task for each thread, which takes product tasks from a common counter: so a workspace belongs to
        // the thread that runs its region task.
        let unitBytes = bfloat16 ? 2 : 4
        let chunkStride = plan.chunkRows * plan.paddedReduction * unitBytes
        let taskCount = plan.taskCount
        let next = Atomic<Int>(0)
        let addresses = Addresses(packed: packed, workspaces: workspaces, bias: bias)
        let descriptor = Descriptor(weight: weight.descriptor)
        pool.run(min(pool.threadCount, taskCount)) { worker in
            var weight = descriptor.weight
            withUnsafePointer(to: &weight) { weight in
                var task = qk_product_task()
                task.weight = weight
                task.reduction_block = Int64(plan.reductionBlock)
                task.y_stride = Int64(y.stride)
                task.bias = addresses.bias
                task.workspace = addresses.workspaces + worker * workspaceStride
                task.adding = adding ? 1 : 0
                task.gradient = gradient ? 1 : 0
                task.bfloat16 = bfloat16 ? 1 : 0
                while true {
                    let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard index < taskCount else { return }
                    let (chunk, firstPanel, panels) = plan.task(index)
                    let firstRow = chunk * plan.chunkRows
                    task.packed = UnsafeRawPointer(addresses.packed + chunk * chunkStride)
                    task.rows = Int64(min(plan.chunkRows, x.rows - firstRow))
                    task.first_output = Int64(firstPanel * plan.panelWidth)
                    task.output_count = Int64(min(panels * plan.panelWidth, y.columns - firstPanel * plan.panelWidth))
                    task.y = y.row(firstRow)
                    kernels.product(&task)
                }
            }
        }
    }

    /// Packs X, all columns of a tile of rows in one task.
    private func pack(_ x: FloatMatrix, _ plan: ProductPlan, bfloat16: Bool, into packed: UnsafeMutableRawPointer) {
        let kernels = kernels.products
        let tile = Int(kernels.tile_rows)
        let tilesPerChunk = plan.chunkRows / tile
        let chunkStride = plan.chunkRows * plan.paddedReduction * (bfloat16 ? 2 : 4)
        let addresses = Addresses(packed: packed, workspaces: packed, bias: nil)
        pool.run((x.rows + tile - 1) / tile) { index in
            let (chunk, place) = index.quotientAndRemainder(dividingBy: tilesPerChunk)
            let firstRow = chunk * plan.chunkRows
            var task = qk_pack_task()
            task.x = UnsafePointer(x.row(firstRow))
            task.x_stride = Int64(x.stride)
            task.rows = Int64(min(plan.chunkRows, x.rows - firstRow))
            task.columns = Int64(x.columns)
            task.reduction_block = Int64(plan.reductionBlock)
            task.packed = addresses.packed + chunk * chunkStride
            task.first_tile = Int64(place)
            task.tile_count = 1
            task.bfloat16 = bfloat16 ? 1 : 0
            kernels.pack(&task)
        }
    }
}

extension ComputeContext {
    /// `forward` for few rows (decoding): W is read once, at the speed of memory, and never unpacked to memory.
    ///
    /// Its order of summation is its own: lanes take chunks of 32 columns in order and are added at the end. 4-bit codes
    /// with blocks of at least 64 are multiplied unscaled (in bfloat16 rounded: the value of the code, not that of the
    /// weight), 64 at a time, and each partial sum is scaled in float32. Neither the number of rows nor the threads
    /// change a bit.
    package func forwardFewRows(
        _ x: FloatMatrix, _ weight: StoredMatrix, bias: UnsafePointer<Float>?, into y: FloatMatrix, adding: Bool,
        computeType: ComputeType? = nil, scratch: UnsafeMutableRawBufferPointer
    ) {
        guard x.columns == weight.columns, y.columns == weight.rows, x.rows == y.rows else {
            fatalError(
                "a product of [\(x.rows), \(x.columns)] with [\(weight.rows), \(weight.columns)] cannot fill"
                    + " [\(y.rows), \(y.columns)]")
        }
        guard x.rows > 0, x.columns > 0, y.columns > 0 else { return }
        let bfloat16 = usesBFloat16(computeType)
        let kernels = kernels.products
        let prepared = alignedScratch(scratch, rows: x.rows, dimension: x.columns)
        var weight = weight.descriptor
        kernels.prepare_few_rows(&weight, x.base, Int64(x.stride), Int64(x.rows), bfloat16 ? 1 : 0, prepared)

        // Tasks of at least 8 rows of W, about 64 of them.
        let outputs = y.columns
        let outputsPerTask = max(8, (outputs + 63) / 64)
        let addresses = Addresses(packed: prepared, workspaces: prepared, bias: bias)
        let descriptor = Descriptor(weight: weight)
        pool.run((outputs + outputsPerTask - 1) / outputsPerTask) { index in
            var weight = descriptor.weight
            withUnsafePointer(to: &weight) { weight in
                var task = qk_few_rows_task()
                task.weight = weight
                task.prepared = UnsafeRawPointer(addresses.packed)
                task.rows = Int64(x.rows)
                task.first_output = Int64(index * outputsPerTask)
                task.output_count = Int64(min(outputsPerTask, outputs - index * outputsPerTask))
                task.y = y.base
                task.y_stride = Int64(y.stride)
                task.bias = addresses.bias
                task.adding = adding ? 1 : 0
                task.bfloat16 = bfloat16 ? 1 : 0
                kernels.few_rows(&task)
            }
        }
    }

    /// Rows of W as float32 (an embedding): row i of `output` [count, K] is W[ids[i], :].
    ///
    /// Every id must be a row of W; another ends the process, so the caller checks what came from outside.
    package func gatherRows(
        _ weight: StoredMatrix, ids: UnsafePointer<Int32>, count: Int, into output: FloatMatrix
    ) {
        guard output.rows >= count, output.columns == weight.columns else {
            fatalError(
                "\(count) rows of [\(weight.rows), \(weight.columns)] do not fit [\(output.rows), \(output.columns)]")
        }
        for index in 0..<count where ids[index] < 0 || Int(ids[index]) >= weight.rows {
            fatalError("row \(ids[index]) of a matrix of \(weight.rows) rows was asked for")
        }
        let kernels = kernels.products
        let descriptor = Descriptor(weight: weight.descriptor)
        let ids = Identifiers(base: ids)
        pool.run(count) { index in
            var weight = descriptor.weight
            kernels.unpack_row(&weight, Int64(ids.base[index]), output.row(index))
        }
    }

    private func usesBFloat16(_ computeType: ComputeType?) -> Bool {
        let type = computeType ?? self.computeType
        guard type == .float32 || kernels.instructionSet.hasBFloat16Products else {
            fatalError("bfloat16 products are never emulated: \(kernels.instructionSet.rawValue) has none")
        }
        return type == .bfloat16
    }

    /// The first address of the scratch that is a multiple of 64.
    private func alignedScratch(
        _ scratch: UnsafeMutableRawBufferPointer, rows: Int, dimension: Int
    ) -> UnsafeMutableRawPointer {
        let needed = productScratchByteCount(rows: rows, dimension: dimension)
        guard let base = scratch.baseAddress, scratch.count >= needed else {
            fatalError("a product of \(rows) rows needs \(needed) bytes of scratch and got \(scratch.count)")
        }
        return base.alignedUp(toMultipleOf: 64)
    }
}

/// Memory that tasks share, each writing a part of its own.
private struct Addresses: @unchecked Sendable {
    // Unchecked: packed rows are read only once packed; a workspace is used by one thread; the bias is read only.
    let packed: UnsafeMutableRawPointer
    let workspaces: UnsafeMutableRawPointer
    let bias: UnsafePointer<Float>?
}

private struct Descriptor: @unchecked Sendable {
    // Unchecked: it points to read-only memory that outlives the call.
    let weight: qk_weight
}

private struct Identifiers: @unchecked Sendable {
    // Unchecked: read only during the call.
    let base: UnsafePointer<Int32>
}
