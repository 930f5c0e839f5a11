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

    fileprivate var code: Int32 {
        switch self {
        case .silu: Int32(QK_SILU)
        case .gelu: Int32(QK_GELU)
        case .geluTanh: Int32(QK_GELU_TANH)
        }
    }
}

extension ComputeContext {
    /// out = act(gate) * up, or act(gate) without `up`, all [M, F]; out may be either input where those are float32. Gate and
    /// up are of one type.
    package func activate(
        _ activation: Activation, gate: ActivationMatrix, up: ActivationMatrix?, into out: FloatMatrix
    ) -> RowPass {
        let inputs = ActivationInputs(activation, gate, up, like: out)
        let table = kernels.elementwise
        return RowPass(filling: out, part: "gates") { rows, out in
            for index in rows {
                var row = inputs.row(index)
                table.activate(&row, out.row(index))
            }
        }
    }

    /// The gradients of `activate`: dGate = dOut * up * act'(gate) and, with `up`, dUp = dOut * act(gate). Each output may
    /// be any of the inputs that is float32, so that gate and up can be overwritten with their gradients.
    package func activateBackward(
        _ activation: Activation, _ dOut: FloatMatrix, gate: ActivationMatrix, up: ActivationMatrix?,
        into dGate: FloatMatrix, _ dUp: FloatMatrix?
    ) -> RowPass {
        for matrix in [dGate, dUp ?? dGate] { requireSameShape(dOut, matrix) }
        let inputs = ActivationInputs(activation, gate, up, like: dOut)
        let table = kernels.elementwise
        return RowPass(rows: dOut.rows, columns: dOut.columns, part: "gates") { rows in
            for index in rows {
                var row = inputs.row(index)
                table.activate_backward(&row, dOut.row(index), dGate.row(index), dUp?.row(index))
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

/// Gate and up as the kernels take them.
private struct ActivationInputs: Sendable {
    private let activation: Int32
    private let gate: ActivationMatrix
    private let up: ActivationMatrix?

    init(_ activation: Activation, _ gate: ActivationMatrix, _ up: ActivationMatrix?, like matrix: FloatMatrix) {
        let other = up ?? gate
        guard gate.rows == matrix.rows, gate.columns == matrix.columns, other.rows == matrix.rows,
            other.columns == matrix.columns, gate.isNarrow == other.isNarrow
        else { fatalError("activations of two shapes, or of two types, cannot be combined") }
        self.activation = activation.code
        self.gate = gate
        self.up = up
    }

    func row(_ index: Int) -> qk_activation_row {
        qk_activation_row(
            gate: gate.row(index), up: up.map { UnsafeRawPointer($0.row(index)) }, count: Int64(gate.columns),
            activation: activation, narrow: gate.isNarrow ? 1 : 0)
    }
}
