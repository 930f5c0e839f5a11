internal import CIntrinsics
package import Tensors

/// A product of few rows: y [M, N] = x [M, K] · Wᵀ + bias, or that added to y.
package struct FewRowsProduct {
    package let weight: StoredMatrix
    package let bias: UnsafePointer<Float>?
    package let output: FloatMatrix
    package let adding: Bool

    package init(_ weight: StoredMatrix, bias: UnsafePointer<Float>?, into output: FloatMatrix, adding: Bool) {
        self.weight = weight
        self.bias = bias
        self.output = output
        self.adding = adding
    }
}

extension ComputeContext {
    /// `forward` for few rows (decoding): W is read once, at the speed of memory, and never unpacked to memory.
    ///
    /// Its order of summation is its own: lanes take chunks of 32 columns in order and are added at the end. Codes with
    /// blocks of at least 64, in rows of whole 64s, are multiplied unscaled (in bfloat16 rounded: the value of the code,
    /// not that of the weight), 64 at a time, and each partial sum is scaled in float32. Neither the number of rows nor
    /// the threads change a bit.
    package func forwardFewRows(
        _ x: FloatMatrix, _ weight: StoredMatrix, bias: UnsafePointer<Float>?, into y: FloatMatrix, adding: Bool,
        computeType: ComputeType? = nil, scratch: UnsafeMutableRawBufferPointer
    ) {
        forwardFewRows(
            x, [FewRowsProduct(weight, bias: bias, into: y, adding: adding)], computeType: computeType,
            scratch: scratch)
    }

    /// Several products with one input, those of weights that are stored alike as one region.
    package func forwardFewRows(
        _ x: FloatMatrix, _ products: [FewRowsProduct], computeType: ComputeType? = nil,
        scratch: UnsafeMutableRawBufferPointer
    ) {
        for product in products {
            let (weight, y) = (product.weight, product.output)
            guard x.columns == weight.columns, y.columns == weight.rows, x.rows == y.rows else {
                fatalError(
                    "a product of [\(x.rows), \(x.columns)] with [\(weight.rows), \(weight.columns)] cannot fill"
                        + " [\(y.rows), \(y.columns)]")
            }
        }
        guard x.rows > 0, x.columns > 0 else { return }
        let bfloat16 = usesBFloat16(computeType)
        let kernels = kernels.products
        let prepared = productScratch(scratch, byteCount: x.rows * Int(kernels.prepared_row_bytes(Int64(x.columns))))
        var rest = products[...]
        while let first = rest.first {
            var descriptor = first.weight.descriptor
            let order = kernels.prepared_order(&descriptor)
            let group = rest.prefix { product in
                var descriptor = product.weight.descriptor
                return kernels.prepared_order(&descriptor) == order
            }
            kernels.prepare_few_rows(&descriptor, x.base, Int64(x.stride), Int64(x.rows), bfloat16 ? 1 : 0, prepared)
            multiplyPrepared(prepared, group, rows: x.rows, bfloat16: bfloat16)
            rest = rest.dropFirst(group.count)
        }
    }

    private func multiplyPrepared(
        _ prepared: UnsafeMutableRawPointer, _ products: ArraySlice<FewRowsProduct>, rows: Int, bfloat16: Bool
    ) {
        let kernels = kernels.products
        let streams = RowStreams(outputs: products.reduce(0) { $0 + $1.weight.rows }, threads: pool.threadCount)
        nonisolated(unsafe) let (inputs, products) = (UnsafeRawPointer(prepared), products)  // read only
        measured("products of few rows") {
            pool.run(streams.count) { index in
                let part = streams[index]
                var first = 0
                for product in products {
                    let outputs = part.clamped(to: first..<first + product.weight.rows)
                    if !outputs.isEmpty {
                        var task = qk_few_rows_task()
                        task.prepared = inputs
                        task.rows = Int64(rows)
                        task.first_output = Int64(outputs.lowerBound - first)
                        task.output_count = Int64(outputs.count)
                        task.y = product.output.base
                        task.y_stride = Int64(product.output.stride)
                        task.bias = product.bias
                        task.adding = product.adding ? 1 : 0
                        task.bfloat16 = bfloat16 ? 1 : 0
                        withUnsafePointer(to: product.weight.descriptor) {
                            task.weight = $0
                            kernels.few_rows(&task)
                        }
                    }
                    first += product.weight.rows
                }
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
        nonisolated(unsafe) let (descriptor, ids) = (weight.descriptor, ids)  // read only
        measured("embedding") {
            pool.run(count) { index in
                withUnsafePointer(to: descriptor) { kernels.unpack_row($0, Int64(ids[index]), output.row(index)) }
            }
        }
    }
}

/// How the rows of a matrix that is read once are cut: a long stream for each thread, because what is fetched ahead of a
/// stream's end is lost, then shorter and shorter ones, so that threads end together. Bits do not depend on it.
private struct RowStreams {
    private let outputs: Int
    private let classes: InlineArray<3, (count: Int, length: Int)>
    let count: Int

    init(outputs: Int, threads: Int) {
        self.outputs = outputs
        var classes = InlineArray<3, (count: Int, length: Int)>(repeating: (0, 0))
        var left = outputs
        if outputs / threads >= Self.leastLong {
            classes[0] = (threads, outputs * 5 / (8 * threads))
            classes[1] = (2 * threads, outputs / (8 * threads))
            left -= classes[0].count * classes[0].length + classes[1].count * classes[1].length
        }
        let length = max(8, (left + 4 * threads - 1) / (4 * threads))
        classes[2] = ((left + length - 1) / length, length)
        count = classes[0].count + classes[1].count + classes[2].count
        self.classes = classes
    }

    /// Rows for each thread from which on it pays to cut them unequally.
    private static let leastLong = 128

    subscript(index: Int) -> Range<Int> {
        var (place, start) = (index, 0)
        var position = 0
        while place >= classes[position].count {
            place -= classes[position].count
            start += classes[position].count * classes[position].length
            position += 1
        }
        start += place * classes[position].length
        return start..<min(start + classes[position].length, outputs)
    }
}
