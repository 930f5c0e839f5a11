import Diagnostics
import Kernels
import Tensors
import Testing

@Suite("Activations kept in bfloat16")
struct NarrowActivationTests {
    /// Whole vectors and a part of one.
    private let rows = 5
    private let columns = 2085

    @Test(
        "Forward and backward give the bits of the widened inputs", arguments: InstructionSet.supported,
        [Activation.silu, .gelu, .geluTanh])
    func sameBits(_ set: InstructionSet, activation: Activation) {
        let context = ComputeContext(
            kernels: KernelTable(set), pool: WorkerPool(threadCount: 2), computeType: .float32)
        var numbers = SampleNumbers(seed: 11)
        func words() -> [UInt16] {
            (0..<rows * columns).map { _ in UInt16(roundedToBFloat16(4 * numbers.float()).bitPattern >> 16) }
        }
        var gateWords = words(), upWords = words()
        let dOut = SampleMatrix(rows: rows, columns: columns) { _, _ in numbers.float() }
        gateWords.withUnsafeMutableBufferPointer { gateWords in
            upWords.withUnsafeMutableBufferPointer { upWords in
                func narrow(_ words: UnsafeMutableBufferPointer<UInt16>) -> ActivationMatrix {
                    .bfloat16(BFloat16Matrix(base: words.baseAddress!, rows: rows, columns: columns))
                }
                func wide(_ words: UnsafeMutableBufferPointer<UInt16>) -> SampleMatrix {
                    SampleMatrix(rows: rows, columns: columns) {
                        Float(bitPattern: UInt32(words[$0 * columns + $1]) << 16)
                    }
                }
                for isGated in [true, false] {
                    let (gate, up) = (wide(gateWords), wide(upWords))
                    let (expected, found) = (output(), output())
                    context.run(
                        context.activate(
                            activation, gate: .float32(gate.matrix), up: isGated ? .float32(up.matrix) : nil,
                            into: expected.matrix))
                    context.run(
                        context.activate(
                            activation, gate: narrow(gateWords), up: isGated ? narrow(upWords) : nil, into: found.matrix
                        ))
                    #expect(found.bits == expected.bits)
                    #expect(found.gapsAreIntact)

                    let (dGate, dUp) = (output(), output())
                    context.run(
                        context.activateBackward(
                            activation, dOut.matrix, gate: .float32(gate.matrix),
                            up: isGated ? .float32(up.matrix) : nil, into: gate.matrix,
                            isGated ? up.matrix : nil))
                    context.run(
                        context.activateBackward(
                            activation, dOut.matrix, gate: narrow(gateWords), up: isGated ? narrow(upWords) : nil,
                            into: dGate.matrix, isGated ? dUp.matrix : nil))
                    #expect(dGate.bits == gate.bits)
                    if isGated { #expect(dUp.bits == up.bits) }
                }
            }
        }
    }

    private func output() -> SampleMatrix { SampleMatrix(rows: rows, columns: columns) }
}
