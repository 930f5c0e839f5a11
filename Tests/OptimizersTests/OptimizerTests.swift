import Kernels
import Optimizers
import System
import Testing

struct OptimizerTests {
    /// Units in the last place by which parameters may differ from torch's: its own two implementations (one operation
    /// at a time, and fused) differ by as much, and so do kernels without a fused multiply-add.
    static let tolerance: Int64 = 1

    private func context(_ set: InstructionSet = .portable) -> ComputeContext {
        ComputeContext(kernels: KernelTable(set), pool: WorkerPool(threadCount: 1), computeType: .float32)
    }

    @Test func registryNamesAreUniqueAndResolve() throws {
        #expect(Set(Optimizers.names).count == Optimizers.names.count)
        for name in Optimizers.names {
            let type = try Optimizers.named(name)
            #expect(type.name == name)
            #expect(type.stateCountPerParameter == type.stateNames.count)
        }
        let failure = #expect(throws: Failure.self) { try Optimizers.named("sgd") }
        #expect(failure?.description == "there is no optimizer \"sgd\". Give one of adamw.")
    }

    /// torch.optim.AdamW over p = [1, -2, 0.5] with gradients [0.1, -0.3, 1e-9] * k, k = 1, 2, 3, rate 0.1, decay 0.01:
    /// the bits of the parameters after each step.
    @Test(arguments: InstructionSet.supported) func adamWEqualsTorch(_ set: InstructionSet) throws {
        let expected: [[UInt32]] = [
            [0x3F66_24DD, 0xBFF2_F1AA, 0x3EFB_16E7], [0x3F4D_3487, 0xBFE6_58C4, 0x3EF4_1738],
            [0x3F34_79A4, 0xBFD9_DA9E, 0x3EEB_2187],
        ]
        let optimizer = try Optimizers.named("adamw").init(OptimizerSettings(weightDecay: 0.01))
        var parameters: [Float] = [1, -2, 0.5], first: [Float] = [0, 0, 0], second: [Float] = [0, 0, 0]
        for number in 1...3 {
            let gradients = ([0.1, -0.3, 1e-9] as [Float]).map { $0 * Float(number) }
            update(
                optimizer, &parameters, gradients, &first, &second,
                OptimizerStep(number: number, learningRate: 0.1, gradientScale: 1), set)
            for (parameter, bits) in zip(parameters, expected[number - 1]) {
                #expect(abs(Int64(parameter.bitPattern) - Int64(bits)) <= Self.tolerance, "step \(number)")
            }
        }
    }

    /// The clipping coefficient multiplies gradients, and nothing else.
    @Test func gradientsAreScaledFirst() throws {
        let optimizer = try Optimizers.named("adamw").init(OptimizerSettings())
        var scaled: [Float] = [1, 2], plain = scaled
        var m1: [Float] = [0, 0], v1: [Float] = [0, 0], m2: [Float] = [0, 0], v2: [Float] = [0, 0]
        update(
            optimizer, &scaled, [0.5, -4], &m1, &v1,
            OptimizerStep(number: 1, learningRate: 0.01, gradientScale: 0.25))
        update(
            optimizer, &plain, [0.125, -1], &m2, &v2,
            OptimizerStep(number: 1, learningRate: 0.01, gradientScale: 1))
        #expect(scaled == plain)
        #expect(m1 == m2 && v1 == v2)
    }

    private func update(
        _ optimizer: any Optimizer, _ parameters: inout [Float], _ gradients: [Float], _ first: inout [Float],
        _ second: inout [Float], _ step: OptimizerStep, _ set: InstructionSet = .portable
    ) {
        let context = context(set)
        parameters.withUnsafeMutableBufferPointer { parameters in
            first.withUnsafeMutableBufferPointer { first in
                second.withUnsafeMutableBufferPointer { second in
                    optimizer.update(
                        parameters.baseAddress!, gradients: gradients,
                        states: [first.baseAddress!, second.baseAddress!],
                        count: parameters.count, step: step, context: context)
                }
            }
        }
    }

    @Test func settingsThatAreRefused() {
        for (settings, message) in [
            (OptimizerSettings(beta1: 1), "--beta1 is 1.0: from 0 to below 1 is expected."),
            (OptimizerSettings(beta2: -0.1), "--beta2 is -0.1: from 0 to below 1 is expected."),
            (OptimizerSettings(epsilon: 0), "--epsilon is 0.0: a number above 0 is expected."),
            (OptimizerSettings(weightDecay: .infinity), "--weight-decay is inf: 0 or more is expected."),
        ] {
            let failure = #expect(throws: Failure.self) { try settings.validate() }
            #expect(failure?.description == message)
            #expect(failure?.kind == .usage)
        }
        #expect(throws: Never.self) { try OptimizerSettings().validate() }
    }
}
