import Diagnostics
import Glibc
import Kernels
import Tensors
import Testing

/// Relative to the largest element: float32 scores of a few units, sums of some hundred terms.
private let outputTolerance = 1e-5
private let gradientTolerance = 2e-5
/// Under bfloat16: scores of a few units from operands rounded to 2^-9, probabilities and their gradients rounded as much.
private let narrowTolerance = 2e-2

/// Relative: the polynomial and its roundings; and the rounding of x * log2(e), where it is not fused, by |x|.
private let weightTolerance = 4e-7
private let weightSlope = 8e-8

/// Every computation type of every instruction set of this machine.
private func allContexts(threads: Int = 2) -> [ComputeContext] {
    InstructionSet.supported.flatMap { set in
        ComputeType.allCases.filter { $0 == .float32 || set.hasBFloat16Products }.map {
            ComputeContext(kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: $0)
        }
    }
}

extension AttentionCase: CustomTestStringConvertible {
    public var testDescription: String {
        "\(lengths) x \(shape.queryHeads)/\(shape.keyValueHeads) x \(shape.headWidth), "
            + "window \(shape.window ?? 0), cap \(shape.softCap ?? 0)"
    }

    /// Single rows, odd everything, several blocks of queries and keys, windows inside and across blocks, caps.
    static let all = [
        AttentionCase([1], heads: 1, keyValueHeads: 1, width: 1),
        AttentionCase([5, 1, 13], heads: 4, keyValueHeads: 2, width: 5),
        AttentionCase([100, 97], heads: 2, keyValueHeads: 1, width: 17, window: 30),
        AttentionCase([200], heads: 3, keyValueHeads: 3, width: 64),
        AttentionCase([49, 145], heads: 4, keyValueHeads: 1, width: 80, softCap: 2),
        AttentionCase([150], heads: 2, keyValueHeads: 2, width: 130, window: 7, softCap: 5),
        AttentionCase([250, 3], heads: 2, keyValueHeads: 1, width: 32, window: 100),
        AttentionCase([310], heads: 6, keyValueHeads: 2, width: 24, window: 130),
        AttentionCase([289], heads: 2, keyValueHeads: 2, width: 96, softCap: 3),
    ]
}

@Suite("Attention")
struct AttentionTests {
    @Test("The reference's gradients are those of central differences")
    func referenceGradients() {
        for example in [
            AttentionCase([4, 3], heads: 2, keyValueHeads: 1, width: 3),
            AttentionCase([5], heads: 2, keyValueHeads: 2, width: 2, window: 2, softCap: 1.5),
        ] {
            let fixture = AttentionSample(example)
            let reference = AttentionReference(example)
            let inputs = [doubles(fixture.q), doubles(fixture.k), doubles(fixture.v)]
            let dOut = doubles(fixture.dOut)
            let gradients = reference.backward(dOut, inputs[0], inputs[1], inputs[2])
            func value(_ inputs: [DoubleMatrix]) -> Double {
                let out = reference.forward(inputs[0], inputs[1], inputs[2]).out
                return zip(out, dOut).reduce(0) { $0 + zip($1.0, $1.1).reduce(0) { $0 + $1.0 * $1.1 } }
            }
            for (which, gradient) in [gradients.dQ, gradients.dK, gradients.dV].enumerated() {
                for row in 0..<gradient.count {
                    for column in 0..<gradient[row].count {
                        var (up, down) = (inputs, inputs)
                        up[which][row][column] += 1e-5
                        down[which][row][column] -= 1e-5
                        #expect(abs((value(up) - value(down)) / 2e-5 - gradient[row][column]) < 1e-8)
                    }
                }
            }
        }
    }

    @Test("Outputs and gradients against double precision", arguments: AttentionCase.all)
    func doublePrecision(example: AttentionCase) {
        let fixture = AttentionSample(example)
        let reference = AttentionReference(example)
        let (q, k, v) = (doubles(fixture.q), doubles(fixture.k), doubles(fixture.v))
        let exact = reference.forward(q, k, v)
        let gradients = reference.backward(doubles(fixture.dOut), q, k, v)
        for context in allContexts() {
            let results = fixture.results(context)
            let isNarrow = context.computeType == .bfloat16
            let tolerance = isNarrow ? narrowTolerance : outputTolerance
            let ofGradients = isNarrow ? narrowTolerance : gradientTolerance
            #expect(results.out.error { exact.out[$0][$1] } < tolerance)
            #expect(results.logSumExp.error { exact.lse[$0][$1] } < tolerance)
            #expect(results.dQ.error { gradients.dQ[$0][$1] } < ofGradients || example.rows == 1)
            #expect(results.dK.error { gradients.dK[$0][$1] } < ofGradients || example.rows == 1)
            #expect(results.dV.error { gradients.dV[$0][$1] } < ofGradients)
            for output in results.all { #expect(output.gapsAreIntact) }
        }
    }

    @Test("A sequence's bits depend neither on threads nor on the other sequences")
    func determinism() {
        let example = AttentionCase([60, 130, 1, 99], heads: 4, keyValueHeads: 2, width: 33)
        let fixture = AttentionSample(example)
        for context in allContexts() {
            func results(_ threads: Int, _ segments: [Segment]? = nil) -> AttentionSample.Results {
                fixture.results(
                    ComputeContext(
                        kernels: context.kernels, pool: WorkerPool(threadCount: threads),
                        computeType: context.computeType),
                    segments: segments)
            }
            let whole = results(1)
            for threads in [2, 3] {
                let other = results(threads)
                for (one, two) in zip(whole.all + [whole.logSumExp], other.all + [other.logSumExp]) {
                    let isSame = one.bits == two.bits
                    #expect(isSame)
                }
            }
            for segment in example.segments {
                let alone = results(2, [segment])
                let rows = Int(segment.start)..<Int(segment.start + segment.count)
                for (one, two) in zip(whole.all, alone.all) {
                    let isSame = one.bits(rows: rows) == two.bits(rows: rows)
                    #expect(isSame)
                    let others = (0..<example.rows).filter { !rows.contains($0) }
                    #expect(others.allSatisfy { two[$0, 0] == Double(SampleMatrix.mark) })
                }
            }
        }
    }

    @Test("Threads that take turns at one head give the bits of one thread", arguments: [nil, 150])
    func oneLine(window: Int?) {
        let example = AttentionCase([410], heads: 5, keyValueHeads: 1, width: 16, window: window)
        let fixture = AttentionSample(example)
        for context in allContexts() {
            func bits(_ threads: Int) -> [[UInt32]] {
                fixture.results(
                    ComputeContext(
                        kernels: context.kernels, pool: WorkerPool(threadCount: threads),
                        computeType: context.computeType)
                ).all.map(\.bits)
            }
            let alone = bits(1)
            for threads in [2, 3, 7] {
                for _ in 0..<4 {
                    let isSame = bits(threads) == alone
                    #expect(isSame)
                }
            }
        }
    }

    @Test("A weight is exact to the last bits, down to where it vanishes")
    func weights() {
        // Two keys with the scores 0 and x, and the values 0 and 1: e^x / (1 + e^x).
        let shape = AttentionShape(queryHeads: 1, keyValueHeads: 1, headWidth: 1, scale: 1)
        let segments = [Segment(start: 0, count: 2)]
        let (q, k) = (SampleMatrix(rows: 2, columns: 1), SampleMatrix(rows: 2, columns: 1))
        let (v, out) = (SampleMatrix(rows: 2, columns: 1), SampleMatrix(rows: 2, columns: 1))
        for (matrix, values) in [(q, [1, 1]), (k, [0, 0]), (v, [0, 1])] as [(SampleMatrix, [Float])] {
            for row in 0..<2 { matrix.matrix.row(row)[0] = values[row] }
        }
        for context in allContexts(threads: 1) where context.computeType == .float32 {
            let scratch = SampleBuffer<Float>(
                repeating: .nan, count: context.attentionForwardScratchByteCount(shape, longestSegment: 2) / 4)
            var worst = 0.0
            for step in 0..<2_000 {
                let x = Float(step) * -0.0503
                k.matrix.row(1)[0] = x
                segments.withUnsafeBufferPointer {
                    context.attentionForward(
                        q: q.matrix, k: k.matrix, v: v.matrix, segments: $0, shape: shape, into: out.matrix,
                        logSumExp: nil, scratch: scratch.bytes)
                }
                if x < -87.34 {
                    #expect(out[1, 0] == 0)
                } else if x > -87.33 {
                    let exact = exp(Double(x)) / (1 + exp(Double(x)))
                    worst = max(worst, abs(out[1, 0] / exact - 1) / (weightTolerance - weightSlope * Double(x)))
                }
            }
            #expect(worst < 1)
        }
    }

    @Test("A prompt in chunks gives the bits of the whole", arguments: [nil, 50])
    func prefill(window: Int?) {
        let example = AttentionCase([230], heads: 4, keyValueHeads: 2, width: 40, window: window)
        let fixture = AttentionSample(example)
        for context in allContexts() {
            let whole = fixture.results(context).out
            let out = SampleMatrix(rows: 230, columns: example.shape.queryColumns)
            let scratch = SampleBuffer<Float>(
                repeating: .nan, count: context.attentionPrefillScratchByteCount(example.shape) / 4)
            for (first, end) in [(0, 1), (1, 60), (60, 200), (200, 230)] {
                context.attentionPrefill(
                    q: fixture.q.matrix.rows(first..<end), firstPosition: first, keys: fixture.k.matrix,
                    values: fixture.v.matrix, shape: example.shape, into: out.matrix.rows(first..<end),
                    scratch: UnsafeMutableRawBufferPointer(start: scratch.base, count: scratch.count * 4))
            }
            #expect(out.bits == whole.bits)
        }
    }

    @Test("Decoding row by row against double precision", arguments: AttentionCase.all.filter { $0.lengths[0] > 4 })
    func decode(example: AttentionCase) {
        let fixture = AttentionSample(example)
        let reference = AttentionReference(example)
        let exact = reference.forward(doubles(fixture.q), doubles(fixture.k), doubles(fixture.v)).out
        let length = example.lengths[0]
        for set in InstructionSet.supported {
            var bits: Set<[UInt32]> = []
            for threads in [1, 3] {
                let context = ComputeContext(
                    kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: .float32)
                let out = SampleMatrix(rows: length, columns: example.shape.queryColumns)
                let scratch = SampleBuffer<Float>(
                    repeating: .nan, count: context.attentionDecodeScratchByteCount(example.shape, length: length) / 4)
                for row in 0..<length {
                    context.attentionDecode(
                        q: fixture.q.matrix.row(row), keys: fixture.k.matrix.rows(0..<row + 1),
                        values: fixture.v.matrix.rows(0..<row + 1), shape: example.shape, into: out.matrix.row(row),
                        scratch: UnsafeMutableRawBufferPointer(start: scratch.base, count: scratch.count * 4))
                }
                #expect(out.error { exact[$0][$1] } < outputTolerance)
                #expect(out.gapsAreIntact)
                bits.insert(out.bits)
            }
            #expect(bits.count == 1)
        }
    }
}
