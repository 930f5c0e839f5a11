internal import CIntrinsics
package import Tensors

/// What a feed-forward layer applies to its inner projection.
package enum Activation: Sendable {
    /// x·σ(x).
    case silu
    /// x·Φ(x), exactly.
    case gelu
    /// 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
    case geluTanh

    var code: Int32 {
        switch self {
        case .silu: Int32(QK_SILU)
        case .gelu: Int32(QK_GELU)
        case .geluTanh: Int32(QK_GELU_TANH)
        }
    }
}

extension ComputeContext {
    /// out = act(gate) * up, or act(gate) without `up`, all [M, F]; out may be either input.
    package func activate(_ activation: Activation, gate: FloatMatrix, up: FloatMatrix?, into out: FloatMatrix) {
        if activation == .silu, let up { return gatedSiLU(gate: gate, up: up, into: out) }
        for matrix in [out, up ?? out] { requireSameShape(gate, matrix) }
        let table = kernels.elementwise
        forEachRowRange(rows: gate.rows, columns: gate.columns) { rows in
            for row in rows {
                table.activate(activation.code, gate.row(row), up?.row(row), out.row(row), Int64(gate.columns))
            }
        }
    }

    /// The gradients of `activate`: dGate = dOut * up * act'(gate) and, with `up`, dUp = dOut * act(gate). Each output may
    /// be any of the inputs, so that gate and up can be overwritten with their gradients.
    package func activateBackward(
        _ activation: Activation, _ dOut: FloatMatrix, gate: FloatMatrix, up: FloatMatrix?, into dGate: FloatMatrix,
        _ dUp: FloatMatrix?
    ) {
        if activation == .silu, let up, let dUp {
            return gatedSiLUBackward(dOut, gate: gate, up: up, into: dGate, dUp)
        }
        for matrix in [gate, dGate, up ?? gate, dUp ?? gate] { requireSameShape(dOut, matrix) }
        let table = kernels.elementwise
        forEachRowRange(rows: gate.rows, columns: gate.columns) { rows in
            for row in rows {
                table.activate_backward(
                    activation.code, dOut.row(row), gate.row(row), up?.row(row), dGate.row(row), dUp?.row(row),
                    Int64(gate.columns))
            }
        }
    }

    /// x = cap * tanh(x / cap), in place.
    package func softCap(_ x: FloatMatrix, at cap: Float) {
        let table = kernels.elementwise
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows { table.soft_cap(x.row(row), cap, x.row(row), Int64(x.columns)) }
        }
    }
}
