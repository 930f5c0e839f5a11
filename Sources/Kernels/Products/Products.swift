internal import CIntrinsics
package import Tensors

// Products with a stored weight W [N, K].
//
// Bits: row m of a result depends on row m of the input and on W, on nothing else: not on the number of rows, on the
// threads, or on where a tile or a chunk begins. Sums run over blocks of the reduction whose length depends on the
// reduction, the instruction set and the compute type; each block is summed from zero in order (one product at a time
// in float32, two in bfloat16), the products of a low-rank term follow those of the last block, blocks are added in
// order, then the bias, and the result is added to what was there.

extension ComputeContext {
    /// Bytes of scratch that the products need for at most `rows` rows and matrices of at most `dimension` rows and
    /// columns: the packed input and a workspace for each thread.
    ///
    /// - Parameters:
    ///   - summed: where inputs are multiplied together (an input gradient of several products), the sum of their
    ///     columns.
    ///   - float32Dimension: the largest dimension of products that run in float32 whatever the context's type is.
    package func productScratchByteCount(
        rows: Int, dimension: Int, summed: Int = 0, float32Dimension: Int = 0
    ) -> Int {
        let packedRows = rows + Int(kernels.products.tile_rows)
        let unit = computeType == .bfloat16 ? 2 : 4
        func bytes(_ columns: Int, _ unit: Int) -> Int { packedRows * ((columns + 127) & ~127) * unit }
        let prepared = min(rows, 8) * Int(kernels.products.prepared_row_bytes(Int64(dimension)))
        let packed = max(
            max(bytes(dimension, unit), prepared),
            max(summed == 0 ? 0 : bytes(summed + 384, unit), bytes(float32Dimension, 4)))
        return 64 + ((packed + 63) & ~63) + pool.threadCount * workspaceStride
    }

    /// Columns of a gradient with so many that are packed at once, to size the scratch of a head.
    package func packedGradientLength(_ columns: Int) -> Int {
        columns > Self.longestReduction ? Self.sliceLength : columns
    }

    /// A longer reduction of an input gradient (a head's, over the vocabulary) is cut into slices, so that the packed
    /// rows of many rows stay in the third-level cache; every slice is added to the sum of those before it.
    private static let longestReduction = 16_384
    private static let sliceLength = 8_192

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
        forward(
            x, [ForwardProduct(weight, bias: bias, into: .float32(y), addend: adding ? y : nil)],
            computeType: computeType,
            scratch: scratch)
    }

    /// dX [M, K] = dY [M, N] · W, or that added to dX; otherwise as `forward`.
    package func inputGradient(
        _ dY: FloatMatrix, _ weight: StoredMatrix, into dX: FloatMatrix, adding: Bool, computeType: ComputeType? = nil,
        scratch: UnsafeMutableRawBufferPointer
    ) {
        inputGradient(
            [GradientProduct(dY, weight)], into: dX, adding: adding, computeType: computeType, scratch: scratch)
    }

    /// Several products with one input, which is packed once: a region that packs, a region that multiplies.
    ///
    /// - Parameters:
    ///   - companions: what is done in the same two regions.
    ///   - overlaps: whether to return while the second region runs; see `WorkerPool.start`.
    package func forward(
        _ x: FloatMatrix, _ products: [ForwardProduct], with companions: ProductCompanions = ProductCompanions(),
        overlaps: Bool = false, computeType: ComputeType? = nil, scratch: UnsafeMutableRawBufferPointer
    ) {
        for product in products {
            let (weight, y) = (product.weight, product.output)
            let shape = product.isTransposed ? (weight.columns, weight.rows) : (weight.rows, weight.columns)
            guard shape == (y.columns, x.columns), x.rows == y.rows else {
                fatalError(
                    "a product of [\(x.rows), \(x.columns)] with [\(weight.rows), \(weight.columns)] cannot fill"
                        + " [\(y.rows), \(y.columns)]")
            }
            guard !y.isNarrow || kernels.instructionSet.hasBFloat16Products else {
                fatalError("bfloat16 is never emulated: \(kernels.instructionSet.rawValue) does not round to it")
            }
            requireFit(product.lowRank, rows: x.rows, right: (y.columns, product.lowRank?.left.columns ?? 0))
        }
        guard x.rows > 0, x.columns > 0 else { return run(companions) }
        let results = products.filter { $0.output.columns > 0 }.map { product in
            Result(
                inputs: [
                    Input(
                        weight: product.weight.descriptor, reducesRows: product.isTransposed, reduction: 0,
                        part: 0..<x.columns, lowRank: product.lowRank)
                ], bias: product.bias, output: product.output, addend: product.addend)
        }
        multiply(
            [x], results, gradient: false, with: companions, overlaps: overlaps, bfloat16: usesBFloat16(computeType),
            scratch: scratch)
    }

    /// dX [M, K] = the sum of several products dY · W, or that added to dX, as one region that packs and one that
    /// multiplies; sums run from product to product without leaving the cache.
    ///
    /// - Parameters: as of `forward`.
    package func inputGradient(
        _ products: [GradientProduct], with companions: ProductCompanions = ProductCompanions(), into dX: FloatMatrix,
        adding: Bool, overlaps: Bool = false, computeType: ComputeType? = nil, scratch: UnsafeMutableRawBufferPointer
    ) {
        for product in products {
            let (weight, dY) = (product.weight, product.dY)
            let shape = product.isTransposed ? (weight.columns, weight.rows) : (weight.rows, weight.columns)
            guard shape == (dY.columns, dX.columns), dX.rows == dY.rows else {
                fatalError(
                    "a gradient of [\(dY.rows), \(dY.columns)] through [\(weight.rows), \(weight.columns)] cannot fill"
                        + " [\(dX.rows), \(dX.columns)]")
            }
            requireFit(product.lowRank, rows: dX.rows, right: (product.lowRank?.left.columns ?? 0, dX.columns))
        }
        let products = products.filter { $0.dY.columns > 0 }
        guard !products.isEmpty, dX.rows > 0, dX.columns > 0 else {
            return run(companions)
        }
        if products.contains(where: { $0.dY.columns > Self.longestReduction }) {
            return inputGradientInSlices(
                products, with: companions, into: dX, adding: adding, computeType: computeType, scratch: scratch)
        }
        let inputs = products.enumerated().map { index, product in
            Input(
                weight: product.weight.descriptor, reducesRows: !product.isTransposed, reduction: index,
                part: 0..<product.dY.columns, lowRank: product.lowRank)
        }
        multiply(
            products.map(\.dY), [Result(inputs: inputs, bias: nil, output: .float32(dX), addend: adding ? dX : nil)],
            gradient: true, with: companions, overlaps: overlaps, bfloat16: usesBFloat16(computeType), scratch: scratch)
    }

    /// Slices of one product after another, each a product of its own that is added to what was there.
    private func inputGradientInSlices(
        _ products: [GradientProduct], with companions: ProductCompanions, into dX: FloatMatrix, adding: Bool,
        computeType: ComputeType?, scratch: UnsafeMutableRawBufferPointer
    ) {
        fill(companions)
        multiply(companions.thin)
        var adds = adding
        for product in products {
            let length = product.dY.columns
            for start in stride(from: 0, to: length, by: Self.sliceLength) {
                let part = start..<min(start + Self.sliceLength, length)
                let input = Input(
                    weight: product.weight.descriptor, reducesRows: !product.isTransposed, reduction: 0, part: part,
                    lowRank: part.upperBound == length ? product.lowRank : nil)
                multiply(
                    [product.dY.columns(part)],
                    [Result(inputs: [input], bias: nil, output: .float32(dX), addend: adds ? dX : nil)],
                    gradient: true, with: ProductCompanions(), overlaps: false, bfloat16: usesBFloat16(computeType),
                    scratch: scratch)
                adds = true
            }
        }
        accumulate(companions.outer)
    }

    private func multiply(
        _ inputs: [FloatMatrix], _ results: [Result], gradient: Bool, with companions: ProductCompanions,
        overlaps: Bool, bfloat16: Bool, scratch: UnsafeMutableRawBufferPointer
    ) {
        let kernels = kernels.products
        let rows = inputs[0].rows
        let plan = plans.plan(
            kernels, rows: rows, reductions: inputs.map(\.columns), results: results.map(\.output.columns),
            bfloat16: bfloat16, threads: pool.threadCount)
        // Packed inputs lie one behind the other, the chunks of each one behind the other.
        let unit = bfloat16 ? 2 : 4
        let chunkBytes = plan.reductions.map { plan.chunkRows * $0.padded * unit }
        let padding = Int(kernels.tile_unit) - 1
        var byteCount = pool.threadCount * workspaceStride
        let starts = plan.reductions.map { reduction in
            defer { byteCount = (byteCount + (rows + padding) * reduction.padded * unit + 63) & ~63 }
            return byteCount
        }
        nonisolated(unsafe) let memory = productScratch(scratch, byteCount: byteCount)  // tasks write disjoint parts
        let packing = packingParts(
            inputs, companions, plan, bfloat16: bfloat16, into: starts.map { memory + $0 }, chunkBytes: chunkBytes,
            workspaces: memory, workspaceStride: workspaceStride)
        measured("packing") { pool.run(packing) }

        let stride = workspaceStride
        let limit = largestFusedRank
        nonisolated(unsafe) let results_ = results  // read only
        let region = RegionPart(taskCount: plan.taskCount) { (pieces: Range<Int>, worker: Int) in
            plan.forEachTask(pieces, rows: rows) { chunk, chunkRows, place in
                let result = results_[place.result]
                let firstRow = chunk * plan.chunkRows + chunkRows.lowerBound
                let firstOutput = place.firstStrip * ProductPlan.stripWidth
                var task = qk_product_task()
                task.packed_rows = Int64(min(plan.chunkRows, rows - chunk * plan.chunkRows))
                task.first_row = Int64(chunkRows.lowerBound)
                task.rows = Int64(chunkRows.count)
                task.first_output = Int64(firstOutput)
                task.output_count = Int64(
                    min(place.stripCount * ProductPlan.stripWidth, result.output.columns - firstOutput))
                task.y = result.output.row(firstRow)
                task.y_stride = Int64(result.output.stride)
                task.narrow = result.output.isNarrow ? 1 : 0
                task.bias = result.bias
                task.addend = result.addend.map { UnsafePointer($0.row(firstRow)) }
                task.addend_stride = Int64(result.addend?.stride ?? 0)
                task.workspace = memory + worker * stride
                task.right_by_outputs = gradient ? 0 : 1
                task.bfloat16 = bfloat16 ? 1 : 0
                for (position, input) in result.inputs.enumerated() {
                    let reduction = plan.reductions[input.reduction]
                    task.packed = UnsafeRawPointer(
                        memory + starts[input.reduction] + chunk * chunkBytes[input.reduction])
                    task.reduction_start = Int64(input.part.lowerBound)
                    task.reduction_end = Int64(input.part.upperBound)
                    task.reduction_block = Int64(reduction.block)
                    task.gradient = input.reducesRows ? 1 : 0
                    task.continues = position > 0 ? 1 : 0
                    task.is_continued = position + 1 < result.inputs.count ? 1 : 0
                    task.low_rank = 0
                    if let term = input.lowRank, term.left.columns <= limit {
                        task.left = UnsafePointer(term.left.row(firstRow))
                        task.left_stride = Int64(term.left.stride)
                        task.right = UnsafePointer(term.right.base)
                        task.right_stride = Int64(term.right.stride)
                        task.low_rank = Int64(term.left.columns)
                    }
                    withUnsafePointer(to: input.weight) {
                        task.weight = $0
                        kernels.product(&task)
                    }
                }
            }
        }
        start(
            gradient ? "products, gradient" : "products, forward", [region] + companions.outer.map { outerPart($0) },
            oneByOne: 1)
        if !overlaps { finish() }
        for result in results {
            for term in result.inputs.compactMap(\.lowRank) where term.left.columns > limit {
                guard case .float32(let output) = result.output else {
                    fatalError("a term of rank \(term.left.columns) cannot be added to a bfloat16 result")
                }
                multiplyLargeTerm(term, gradient: gradient, into: output, scratch: scratch)
            }
        }
    }

    /// Ranks of low-rank terms up to this are added by the products themselves.
    package var largestFusedRank: Int { Int(kernels.products.low_rank_limit) }

    /// A low-rank term of a rank that the products' workspaces have no room for, as a product of its own.
    private func multiplyLargeTerm(
        _ term: LowRankTerm, gradient: Bool, into output: FloatMatrix, scratch: UnsafeMutableRawBufferPointer
    ) {
        let right = StoredMatrix(
            rows: term.right.rows, columns: term.right.columns, storage: .float32(UnsafeRawPointer(term.right.base)))
        if gradient {
            inputGradient(term.left, right, into: output, adding: true, computeType: .float32, scratch: scratch)
        } else {
            forward(
                term.left, right, bias: nil, into: output, adding: true, computeType: .float32, scratch: scratch)
        }
    }

    private func requireFit(_ term: LowRankTerm?, rows: Int, right: (rows: Int, columns: Int)) {
        guard let term else { return }
        // A term of a larger rank becomes a product with a stored matrix, which has no gaps.
        let limit = largestFusedRank
        guard term.left.rows == rows, term.right.rows == right.rows, term.right.columns == right.columns,
            term.right.isContiguous || term.left.columns <= limit
        else {
            fatalError(
                "a term of [\(term.left.rows), \(term.left.columns)] and [\(term.right.rows), \(term.right.columns)]"
                    + " does not fit its product")
        }
    }
}

extension ComputeContext {
    func usesBFloat16(_ computeType: ComputeType?) -> Bool {
        let type = computeType ?? self.computeType
        guard type == .float32 || kernels.instructionSet.hasBFloat16Products else {
            fatalError("bfloat16 products are never emulated: \(kernels.instructionSet.rawValue) has none")
        }
        return type == .bfloat16
    }

    /// The first address of the scratch that is a multiple of 64, with that many bytes behind it.
    func productScratch(_ scratch: UnsafeMutableRawBufferPointer, byteCount: Int) -> UnsafeMutableRawPointer {
        guard let base = scratch.baseAddress, scratch.count >= byteCount + 64 else {
            fatalError("a product needs \(byteCount + 64) bytes of scratch and got \(scratch.count)")
        }
        return base.alignedUp(toMultipleOf: 64)
    }
}

/// A weight with the input it meets and the term that goes with it.
private struct Input {
    let weight: qk_weight
    /// Whether the reduction runs over the weight's rows instead of its columns.
    let reducesRows: Bool
    /// Index of the packed input.
    let reduction: Int
    /// The columns or rows of the weight that it meets.
    let part: Range<Int>
    let lowRank: LowRankTerm?
}

/// A matrix to fill with the sum of one or several products.
private struct Result {
    let inputs: [Input]
    let bias: UnsafePointer<Float>?
    let output: ActivationMatrix
    let addend: FloatMatrix?
}
