package import CIntrinsics

/// Fills the elementwise table with this module's functions.
package func fillElementwiseKernels(_ table: UnsafeMutablePointer<qk_elementwise_kernels>) {
    table.pointee.add = { x, y, count in
        guard let x, let y else { return }
        for index in 0..<Int(count) { y[index] += x[index] }
    }
}
