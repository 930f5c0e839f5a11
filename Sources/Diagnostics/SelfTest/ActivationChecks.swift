internal import CIntrinsics
internal import Kernels
internal import Tensors

extension SelfTest {
    private static let activations: [(name: String, activation: Activation)] = [
        ("SiLU", .silu), ("GELU", .gelu), ("GELU by tanh", .geluTanh),
    ]

    /// Activations with and without a gate, their gradients, and what was kept in bfloat16.
    mutating func checkActivations() {
        let gate = SampleMatrix.random(Self.rows, Self.columns, seed: 19, range: 6)
        let up = SampleMatrix.random(Self.rows, Self.columns, seed: 20)
        let dOut = SampleMatrix.random(Self.rows, Self.columns, seed: 21)
        for (name, activation) in Self.activations {
            let (out, dGate) = (gate.copy, gate.copy)
            context.run(context.activate(activation, gate: .float32(gate.matrix), up: nil, into: out.matrix))
            record(name, out.error { ActivationReference.value(activation, gate[$0, $1]) }, within: Tolerance.norm)
            context.run(
                context.activateBackward(
                    activation, dOut.matrix, gate: .float32(gate.matrix), up: nil, into: dGate.matrix, nil))
            record(
                "gradient of \(name)",
                dGate.error { dOut[$0, $1] * ActivationReference.slope(activation, gate[$0, $1]) },
                within: Tolerance.normGradient)
            checkGated("\(name), gated", activation, dOut, .float32(gate.matrix), .float32(up.matrix), gate, up)
        }
        let (narrowGate, wideGate) = Self.narrowed(gate), (narrowUp, wideUp) = Self.narrowed(up)
        for (name, activation) in Self.activations {
            checkGated(
                "\(name), gated, kept in bfloat16", activation, dOut,
                .bfloat16(BFloat16Matrix(base: narrowGate.base, rows: Self.rows, columns: Self.columns)),
                .bfloat16(BFloat16Matrix(base: narrowUp.base, rows: Self.rows, columns: Self.columns)), wideGate,
                wideUp)
        }
    }

    /// - Parameters:
    ///   - gate: and `up`: as the kernels are given them.
    ///   - exactGate: and `exactUp`: the numbers that they hold.
    private mutating func checkGated(
        _ name: String, _ activation: Activation, _ dOut: SampleMatrix, _ gate: ActivationMatrix,
        _ up: ActivationMatrix, _ exactGate: SampleMatrix, _ exactUp: SampleMatrix
    ) {
        let (out, dGate, dUp) = (dOut.copy, dOut.copy, dOut.copy)
        func value(_ row: Int, _ column: Int) -> Double {
            ActivationReference.value(activation, exactGate[row, column])
        }
        context.run(context.activate(activation, gate: gate, up: up, into: out.matrix))
        record(name, out.error { value($0, $1) * exactUp[$0, $1] }, within: Tolerance.norm)
        context.run(
            context.activateBackward(activation, dOut.matrix, gate: gate, up: up, into: dGate.matrix, dUp.matrix))
        let gateError = dGate.error {
            dOut[$0, $1] * exactUp[$0, $1] * ActivationReference.slope(activation, exactGate[$0, $1])
        }
        record("gradient of \(name), by its gate", gateError, within: Tolerance.normGradient)
        record(
            "gradient of \(name), by its input", dUp.error { dOut[$0, $1] * value($0, $1) },
            within: Tolerance.normGradient)
    }

    /// A matrix rounded to bfloat16, and those numbers in float32.
    private static func narrowed(_ matrix: SampleMatrix) -> (SampleBuffer<UInt16>, SampleMatrix) {
        let wide = SampleMatrix(rows: rows, columns: columns) { roundedToBFloat16(Float(matrix[$0, $1])) }
        return (SampleBuffer(wide.bits.map { UInt16($0 >> 16) }), wide)
    }
}
