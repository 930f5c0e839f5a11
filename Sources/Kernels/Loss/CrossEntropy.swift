internal import CIntrinsics
package import Tensors

extension ComputeContext {
    /// Cross entropy of rows of logits: losses[m] = ln(sum exp(logits[m])) - logits[m, labels[m]]; minus the label's
    /// log-probability. A row whose label is negative has loss 0 and gradient 0.
    ///
    /// Two passes over a row (largest element, exponentials and their sum), one more with a gradient. A row's results
    /// depend on that row alone.
    ///
    /// - Parameters:
    ///   - logits: [M, V].
    ///   - labels: [M], each below V.
    ///   - losses: [M].
    ///   - gradientScale: if given, logits are overwritten with (softmax - onehot) * gradientScale; otherwise they stay.
    ///   - softCap: the cap where logits are the results of `softCap`: the gradient is that of its argument. An exponential
    ///     more for each element.
    package func crossEntropy(
        logits: FloatMatrix, labels: UnsafePointer<Int32>, losses: UnsafeMutablePointer<Float>, gradientScale: Float?,
        softCap: Float? = nil
    ) {
        let table = kernels.elementwise
        nonisolated(unsafe) let (labels, losses) = (labels, losses)  // tasks write disjoint rows
        forEachRowRange(rows: logits.rows, columns: logits.columns, as: "cross-entropy") { rows in
            for row in rows {
                let label = Int(labels[row])
                guard label < logits.columns else {
                    fatalError("label \(label) is outside a vocabulary of \(logits.columns)")
                }
                guard label >= 0 else {
                    losses[row] = 0
                    if gradientScale != nil { logits.row(row).update(repeating: 0, count: logits.columns) }
                    continue
                }
                losses[row] =
                    table.cross_entropy(
                        logits.row(row), Int64(logits.columns), Int64(label), gradientScale ?? 0,
                        gradientScale == nil ? 0 : 1, softCap ?? 0)
            }
        }
    }
}
