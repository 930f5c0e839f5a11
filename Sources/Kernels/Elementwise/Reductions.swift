internal import CIntrinsics
internal import Synchronization
package import Tensors

/// The float types that a scan for non-finite numbers knows.
package enum FloatStorage: Sendable {
    case float32
    case bfloat16
    case float16
}

extension ComputeContext {
    /// The sum of the squares in double: 64 parts whose borders depend on `count` alone, each in one fixed order, joined in
    /// order.
    package func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
        let partCount = 64
        let part = ((count + partCount - 1) / partCount + 31) & ~31
        let table = kernels.elementwise
        var total = 0.0
        withUnsafeTemporaryAllocation(of: Double.self, capacity: partCount) { sums in
            guard let base = sums.baseAddress else { return }
            base.initialize(repeating: 0, count: partCount)
            nonisolated(unsafe) let (x, base_) = (x, base)  // each task writes its own sum
            let body: @Sendable (Int) -> Void = { index in
                let start = min(count, index * part)
                let end = min(count, start + part)
                if start < end { base_[index] = table.sum_of_squares(x + start, Int64(end - start)) }
            }
            measured("gradient norm") {
                if count < 1 << 16 {
                    for index in 0..<partCount { body(index) }
                } else {
                    pool.run(partCount, body)
                }
            }
            for index in 0..<partCount { total += base_[index] }
        }
        return total
    }

    /// The index of the first NaN or infinity among `count` numbers at any alignment, or nil. One pass over the memory.
    package func firstNonFinite(_ x: UnsafeRawPointer, storage: FloatStorage, count: Int) -> Int? {
        let part = 1 << 18
        let tasks = (count + part - 1) / part
        guard tasks > 0 else { return nil }
        let table = kernels.elementwise
        let smallest = Atomic<Int>(Int.max)
        nonisolated(unsafe) let x = x  // read only
        pool.run(tasks) { task in
            let start = task * part
            guard smallest.load(ordering: .relaxed) > start else { return }
            let length = Int64(min(part, count - start))
            let index: Int64 =
                switch storage {
                case .float32: table.first_with_exponent32(x + start * 4, length, 0x7f80_0000)
                case .bfloat16: table.first_with_exponent16(x + start * 2, length, 0x7f80)
                case .float16: table.first_with_exponent16(x + start * 2, length, 0x7c00)
                }
            if index >= 0 { smallest.min(start + Int(index), ordering: .relaxed) }
        }
        let found = smallest.load(ordering: .relaxed)
        return found == Int.max ? nil : found
    }

    /// The column of the largest element of each row, the lowest where several are equal; NaN is passed over. x [M, N],
    /// indices [M].
    package func indexOfLargest(_ x: FloatMatrix, into indices: UnsafeMutablePointer<Int32>) {
        guard x.columns > 0 && x.columns <= Int(Int32.max) else { fatalError("a row of \(x.columns) has no index") }
        let table = kernels.elementwise
        nonisolated(unsafe) let indices = indices  // tasks write disjoint rows
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows {
                indices[row] = Int32(truncatingIfNeeded: table.largest(x.row(row), Int64(x.columns)))
            }
        }
    }
}
