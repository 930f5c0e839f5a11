import Diagnostics
import Glibc
import Kernels
import Tensors
import Testing

@Suite("Cross entropy")
struct CrossEntropyTests {
    @Test("Losses and gradients against double precision", arguments: [1, 2, 15, 16, 65, 1000, 32_003])
    func doublePrecision(columns: Int) {
        let rows = 5
        let logits = SampleMatrix.random(rows, columns, seed: 30, range: 15)
        // One row far from zero: only differences from the largest count.
        for column in 0..<columns { logits.matrix.row(2)[column] += 1000 }
        let labels = SampleBuffer((0..<rows).map { Int32(($0 * 7919 + 3) % columns) })
        func logSumExp(_ row: Int) -> Double {
            let largest = (0..<columns).reduce(-Double.infinity) { max($0, logits[row, $1]) }
            return largest + log((0..<columns).reduce(0) { $0 + exp(logits[row, $1] - largest) })
        }
        let exact = (0..<rows).map(logSumExp)
        for context in contexts() {
            let losses = SampleBuffer<Float>(repeating: 0, count: rows)
            let kept = logits.copy
            context.crossEntropy(
                logits: kept.matrix, labels: labels.base, losses: losses.base, gradientScale: nil)
            #expect(kept.bits == logits.bits)
            for row in 0..<rows {
                let expected = exact[row] - logits[row, Int(labels.base[row])]
                #expect(abs(Double(losses.base[row]) - expected) < 1e-6 * max(1, expected))
            }
            let again = SampleBuffer<Float>(repeating: 0, count: rows)
            context.crossEntropy(
                logits: kept.matrix, labels: labels.base, losses: again.base, gradientScale: 0.25)
            #expect(again.elements == losses.elements)
            #expect(kept.gapsAreIntact)
            #expect(
                kept.error {
                    0.25 * (exp(logits[$0, $1] - exact[$0]) - ($1 == Int(labels.base[$0]) ? 1 : 0))
                } < 1e-6 || columns == 1)
        }
    }

    @Test("Rows without a label cost nothing; a row depends on itself; NaN is not hidden")
    func rows() {
        let (rows, columns) = (70, 1003)
        let logits = SampleMatrix.random(rows, columns, seed: 31, range: 5)
        let labels = SampleBuffer((0..<rows).map { $0 == 3 ? Int32(-100) : Int32($0) })
        logits.matrix.row(9)[500] = .nan
        for set in InstructionSet.supported {
            func results(_ range: Range<Int>, threads: Int) -> (losses: [UInt32], gradients: [UInt32]) {
                let context = ComputeContext(
                    kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: .float32)
                let copy = logits.copy
                let losses = SampleBuffer<Float>(repeating: -1, count: range.count)
                context.crossEntropy(
                    logits: copy.matrix.rows(range), labels: labels.base + range.lowerBound, losses: losses.base,
                    gradientScale: 1)
                return (losses.elements.map(\.bitPattern), copy.bits(rows: range))
            }
            let whole = results(0..<rows, threads: 1)
            #expect(whole.losses[3] == 0)
            #expect(whole.gradients[3 * columns..<4 * columns].allSatisfy { $0 == 0 })
            #expect(Float(bitPattern: whole.losses[9]).isNaN)
            for threads in [2, 3] { #expect(results(0..<rows, threads: threads) == whole) }
            let part = results(20..<23, threads: 2)
            #expect(part.losses == Array(whole.losses[20..<23]))
            #expect(part.gradients == Array(whole.gradients[20 * columns..<23 * columns]))
        }
    }
}
