internal import CIntrinsics
package import Tensors

/// Columns that are widened at once: they stay in the first-level cache.
private let pieceLength = 1024

extension ComputeContext {
    /// `activate` of activations in either type.
    package func activate(
        _ activation: Activation, gate: ActivationMatrix, up: ActivationMatrix?, into out: FloatMatrix
    ) {
        if let gate = gate.float32 { return activate(activation, gate: gate, up: up?.float32, into: out) }
        forEachPiece(gate, up, like: out) { row, columns, gate, up in
            let out = out.row(row) + columns.lowerBound
            let count = Int64(columns.count)
            if activation == .silu, let up {
                kernels.elementwise.gated_silu(gate, up, out, count)
            } else {
                kernels.elementwise.activate(activation.code, gate, up, out, count)
            }
        }
    }

    /// `activateBackward` of activations in either type. dGate and dUp may be dOut; they may be gate and up where those
    /// are float32.
    package func activateBackward(
        _ activation: Activation, _ dOut: FloatMatrix, gate: ActivationMatrix, up: ActivationMatrix?,
        into dGate: FloatMatrix, _ dUp: FloatMatrix?
    ) {
        if let gate = gate.float32 {
            return activateBackward(activation, dOut, gate: gate, up: up?.float32, into: dGate, dUp)
        }
        for matrix in [dGate, dUp ?? dGate] { requireSameShape(dOut, matrix) }
        forEachPiece(gate, up, like: dOut) { row, columns, gate, up in
            let first = columns.lowerBound
            let (dOut, dGate) = (dOut.row(row) + first, dGate.row(row) + first)
            let dUp = dUp.map { $0.row(row) + first }
            let count = Int64(columns.count)
            if activation == .silu, let up, let dUp {
                kernels.elementwise.gated_silu_backward(dOut, gate, up, dGate, dUp, count)
            } else {
                kernels.elementwise.activate_backward(activation.code, dOut, gate, up, dGate, dUp, count)
            }
        }
    }

    /// Calls `body` with pieces of rows of bfloat16 matrices as float32.
    private func forEachPiece(
        _ gate: ActivationMatrix, _ up: ActivationMatrix?, like matrix: FloatMatrix,
        _ body: @Sendable (Int, Range<Int>, UnsafePointer<Float>, UnsafePointer<Float>?) -> Void
    ) {
        guard case .bfloat16(let gate) = gate, gate.rows == matrix.rows, gate.columns == matrix.columns else {
            fatalError("activations of two shapes, or of two types, cannot be combined")
        }
        var narrowUp: BFloat16Matrix?
        if let up {
            guard case .bfloat16(let up) = up, up.rows == matrix.rows, up.columns == matrix.columns else {
                fatalError("activations of two shapes, or of two types, cannot be combined")
            }
            narrowUp = up
        }
        let up = narrowUp
        let table = kernels.elementwise
        forEachRowRange(rows: gate.rows, columns: gate.columns, as: "gates") { rows in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * pieceLength) { floats in
                guard let wideGate = floats.baseAddress else { return }
                let wideUp = wideGate + pieceLength
                for row in rows {
                    for start in stride(from: 0, to: gate.columns, by: pieceLength) {
                        let columns = start..<min(start + pieceLength, gate.columns)
                        table.widen_bfloat16(gate.row(row) + start, wideGate, Int64(columns.count))
                        if let up { table.widen_bfloat16(up.row(row) + start, wideUp, Int64(columns.count)) }
                        body(row, columns, wideGate, up == nil ? nil : UnsafePointer(wideUp))
                    }
                }
            }
        }
    }
}
