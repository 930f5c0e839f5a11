import Diagnostics
import Glibc
import Kernels
import Tensors
import Testing

/// Three parts of a vocabulary, the last of them as long as one can be; rows whose largest logits come up in different parts.
@Suite("Cross entropy of a linear head")
struct LinearCrossEntropyTests {
    private static let vocabulary = 3 * VocabularyParts.length + 2037
    private static let rows = 5
    private static let gradientScale: Float = 0.25

    private struct Outcome: Equatable {
        var losses: [Float]
        var gradients: [UInt32]
    }

    /// The losses and the gradient of some rows of x.
    private func outcome(
        _ context: ComputeContext, _ x: SampleMatrix, _ weight: StoredMatrix, bias: [Float], labels: [Int32],
        softCap: Float?, rows: Range<Int>
    ) throws -> (Outcome, SampleMatrix) {
        let width = weight.columns
        let input = SampleMatrix(rows: rows.count, columns: width) { x.matrix.row(rows.lowerBound + $0)[$1] }
        let dX = SampleMatrix(rows: rows.count, columns: width) { _, _ in .nan }
        let logits = SampleMatrix(rows: rows.count, columns: VocabularyParts.longest(weight.rows))
        let states = SampleMatrix(rows: rows.count, columns: LinearCrossEntropyMemory.floatsOfState)
        let losses = SampleBuffer<Float>(repeating: .nan, count: rows.count)
        let labels = SampleBuffer(Array(labels[rows]))
        let scratch = ProductScratch(context, rows: rows.count, dimension: VocabularyParts.longest(weight.rows))
        try bias.withUnsafeBufferPointer { bias in
            let parts = try #require(VocabularyParts(weight, bias: bias.baseAddress))
            context.linearCrossEntropy(
                input.matrix, parts, labels: labels.base, losses: losses.base, gradientScale: Self.gradientScale,
                into: dX.matrix, softCap: softCap,
                memory: LinearCrossEntropyMemory(logits: logits.matrix, states: states.matrix), scratch: scratch.buffer
            ) { if let softCap { context.softCap($0, at: softCap) } }
        }
        #expect(dX.gapsAreIntact && logits.gapsAreIntact)
        return (Outcome(losses: losses.elements, gradients: dX.bits), dX)
    }

    @Test("Losses and gradients against double precision", arguments: SampleStorage.allCases, [nil, Float(8)])
    func doublePrecision(storage: SampleStorage, softCap: Float?) throws {
        let width = storage.columns(16), vocabulary = Self.vocabulary
        let weight = SampleWeight(storage, rows: vocabulary, columns: width, seed: 3)
        let largest = weight.values.reduce(0) { max($0, abs($1)) }
        var numbers = SampleNumbers(seed: 4)
        // Rounded to bfloat16, so that products in it round the weights alone.
        let x = SampleMatrix(rows: Self.rows, columns: width) { _, _ in
            Float(bitPattern: (2 / largest * numbers.float()).bitPattern & 0xFFFF_0000)
        }
        // Row r finds its largest logit among the first, the second or the last tokens.
        let bias = (0..<vocabulary).map { Float(sin(Double($0) * 2e-3)) + 0.5 * numbers.float() }
        let labels: [Int32] = [0, 4095, 4096, 8192, Int32(vocabulary - 1)]
        let cap = softCap.map { Double($0) }

        var losses: [Double] = []
        var gradients: [[Double]] = []
        for row in 0..<Self.rows {
            let logits = (0..<vocabulary).map { token -> Double in
                let product = (0..<width).reduce(Double(bias[token])) {
                    $0 + x[row, $1] * Double(weight.values[token * width + $1])
                }
                return cap.map { $0 * tanh(product / $0) } ?? product
            }
            let top = logits.max() ?? 0
            let logSum = top + log(logits.reduce(0) { $0 + exp($1 - top) })
            losses.append(logSum - logits[Int(labels[row])])
            var gradient = [Double](repeating: 0, count: width)
            for (token, logit) in logits.enumerated() {
                let slope = cap.map { 1 - (logit / $0) * (logit / $0) } ?? 1
                let factor = (exp(logit - logSum) - (token == Int(labels[row]) ? 1 : 0)) * slope
                for column in 0..<width { gradient[column] += factor * Double(weight.values[token * width + column]) }
            }
            gradients.append(gradient.map { $0 * Double(Self.gradientScale) })
        }
        for set in InstructionSet.supported {
            for type in ComputeType.allCases where type == .float32 || set.hasBFloat16Products {
                let context = ComputeContext(
                    kernels: KernelTable(set), pool: WorkerPool(threadCount: 2), computeType: type)
                let (found, dX) = try outcome(
                    context, x, weight.matrix, bias: bias, labels: labels, softCap: softCap, rows: 0..<Self.rows)
                // Weights and exponentials rounded to bfloat16 (2^-9 each), or float32 sums of 14,325 terms.
                let tolerance = type == .bfloat16 ? 1e-2 : 5e-6
                for row in 0..<Self.rows {
                    #expect(abs(Double(found.losses[row]) - losses[row]) < tolerance * losses[row], "\(set) \(type)")
                }
                #expect(dX.error { gradients[$0][$1] } < tolerance, "\(set) \(type)")
            }
        }
    }

    @Test("A row depends on itself alone, whatever the threads")
    func rows() throws {
        let width = 16
        let weight = SampleWeight(.table4Nested64, rows: Self.vocabulary, columns: width, seed: 5)
        let x = SampleMatrix.random(70, width, seed: 6)
        let bias = [Float](repeating: 0.5, count: Self.vocabulary)
        let labels = (0..<70).map { Int32($0 * 113) }
        for set in InstructionSet.supported {
            for type in ComputeType.allCases where type == .float32 || set.hasBFloat16Products {
                func result(_ rows: Range<Int>, threads: Int) throws -> Outcome {
                    let context = ComputeContext(
                        kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: type)
                    return try outcome(
                        context, x, weight.matrix, bias: bias, labels: labels, softCap: nil, rows: rows
                    ).0
                }
                let whole = try result(0..<70, threads: 1)
                for threads in [2, 3] { #expect(try result(0..<70, threads: threads) == whole) }
                let part = try result(20..<23, threads: 2)
                #expect(part.losses == Array(whole.losses[20..<23]))
                #expect(part.gradients == Array(whole.gradients[20 * width..<23 * width]))
            }
        }
    }

    @Test("Parts need a block of scales to begin with them")
    func borders() {
        func parts(_ storage: SampleStorage, columns: Int) -> VocabularyParts? {
            VocabularyParts(
                SampleWeight(storage, rows: 2 * VocabularyParts.length, columns: columns, seed: 7).matrix, bias: nil)
        }
        #expect(parts(.table4Nested64, columns: 3) == nil)
        #expect(parts(.table4Block4096, columns: 3) != nil)
        #expect(parts(.bfloat16, columns: 3) != nil)
    }
}
