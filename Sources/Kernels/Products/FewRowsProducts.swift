internal import CIntrinsics
package import Tensors

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
        let prepared = productScratch(scratch, byteCount: x.rows * Int(kernels.prepared_row_bytes(Int64(x.columns))))
        var weight = weight.descriptor
        kernels.prepare_few_rows(&weight, x.base, Int64(x.stride), Int64(x.rows), bfloat16 ? 1 : 0, prepared)

        // Tasks of at least 8 rows of W, about 64 of them.
        let outputs = y.columns
        let outputsPerTask = max(8, (outputs + 63) / 64)
        nonisolated(unsafe) let (inputs, descriptor, bias) = (UnsafeRawPointer(prepared), weight, bias)  // read only
        measured("products of few rows") {
            pool.run((outputs + outputsPerTask - 1) / outputsPerTask) { index in
                var task = qk_few_rows_task()
                task.prepared = inputs
                task.rows = Int64(x.rows)
                task.first_output = Int64(index * outputsPerTask)
                task.output_count = Int64(min(outputsPerTask, outputs - index * outputsPerTask))
                task.y = y.base
                task.y_stride = Int64(y.stride)
                task.bias = bias
                task.adding = adding ? 1 : 0
                task.bfloat16 = bfloat16 ? 1 : 0
                withUnsafePointer(to: descriptor) {
                    task.weight = $0
                    kernels.few_rows(&task)
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
