import Diagnostics
import Kernels
import Tensors
import Testing

/// Error allowed relative to the sum of absolute products: float32 chains of up to some hundred terms, whose rounding
/// errors (2^-24 each) mostly cancel.
private let tolerance = 3e-6

private func context(_ set: InstructionSet, threads: Int = 1) -> ComputeContext {
    ComputeContext(kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: .float32)
}

@Suite("Thin and outer products")
struct ThinProductTests {
    @Test(
        "a thin product equals the scalar reference, each row whatever the others", arguments: InstructionSet.supported)
    func thin(_ set: InstructionSet) {
        for (rows, length, width) in [
            (1, 1, 1), (7, 5, 8), (8, 40, 16), (9, 300, 17), (20, 33, 40), (13, 64, 48), (17, 21, 50), (3, 70, 130),
        ] {
            var numbers = SampleNumbers(seed: UInt64(rows * length + width))
            let x = SampleMatrix(rows: rows, columns: length) { _, _ in numbers.float() }
            let gap = (16 - width % 16) % 16 + 16
            let factor = SampleMatrix(rows: length, columns: width, gap: gap) { _, _ in numbers.float() }
            let output = SampleMatrix(rows: rows, columns: width)
            for threads in [1, 3] {
                context(set, threads: threads).multiply([
                    ThinProduct(x.matrix, by: factor.matrix, scale: 0.75, into: output.matrix)
                ])
                var worst = 0.0
                for row in 0..<rows {
                    for column in 0..<width {
                        var sum = 0.0, magnitude = 0.0
                        for k in 0..<length {
                            let product = Double(x.matrix.row(row)[k]) * Double(factor.matrix.row(k)[column])
                            sum += product
                            magnitude += abs(product)
                        }
                        worst = max(
                            worst, abs(Double(output.matrix.row(row)[column]) - 0.75 * sum) / max(magnitude, 1e-6))
                    }
                }
                #expect(worst < tolerance, "\(rows), \(length), \(width)")
                #expect(output.gapsAreIntact)
            }
            let one = SampleMatrix(rows: 1, columns: width)
            context(set).multiply([
                ThinProduct(
                    x.matrix.rows(rows - 1..<rows), by: factor.matrix, scale: 0.75, into: one.matrix)
            ])
            let isEqual = one.bits == Array(output.bits.suffix(width))
            #expect(isEqual, "the last row of \(rows), \(length), \(width)")
        }
    }

    @Test("an outer product equals the scalar reference, however rows are cut", arguments: InstructionSet.supported)
    func outer(_ set: InstructionSet) {
        for (rows, p, q) in [
            (1, 1, 1), (1, 16, 64), (128, 16, 300), (77, 70, 16), (200, 33, 41), (65, 5, 8), (0, 4, 4),
        ] {
            var numbers = SampleNumbers(seed: UInt64(rows + p * q))
            let left = SampleMatrix(rows: rows, columns: p) { _, _ in numbers.float() }
            let right = SampleMatrix(rows: rows, columns: q) { _, _ in numbers.float() }
            func output() -> SampleMatrix { SampleMatrix(rows: p, columns: q) { Float($0 - $1) / 16 } }
            let whole = output()
            context(set, threads: 2).accumulate([OuterProduct(left.matrix, right.matrix, into: whole.matrix)])
            var worst = 0.0
            for row in 0..<p {
                for column in 0..<q {
                    var sum = Double(row - column) / 16, magnitude = abs(sum)
                    for index in 0..<rows {
                        let product = Double(left.matrix.row(index)[row]) * Double(right.matrix.row(index)[column])
                        sum += product
                        magnitude += abs(product)
                    }
                    worst = max(worst, abs(Double(whole.matrix.row(row)[column]) - sum) / max(magnitude, 1e-6))
                }
            }
            #expect(worst < tolerance, "\(rows), \(p), \(q)")
            #expect(whole.gapsAreIntact)
            let cut = output(), border = rows / 3
            for range in [0..<border, border..<rows] {
                context(set).accumulate([
                    OuterProduct(left.matrix.rows(range), right.matrix.rows(range), into: cut.matrix)
                ])
            }
            let isEqual = cut.bits == whole.bits
            #expect(isEqual, "\(rows), \(p), \(q)")
        }
    }

    @Test("a transposed factor is padded with zeros", arguments: InstructionSet.supported)
    func transpose(_ set: InstructionSet) {
        for (rows, columns) in [(1, 1), (8, 33), (16, 16), (17, 40), (48, 5), (16, 4101)] {
            let from = SampleMatrix(rows: rows, columns: columns) { Float($0 * 100 + $1) }
            let stride = (rows + 15) & ~15
            let to = SampleMatrix(rows: columns, columns: stride, gap: 0)
            context(set, threads: 2).transpose(
                Transposition(
                    from.matrix,
                    into: FloatMatrix(base: to.matrix.base, rows: columns, columns: rows, stride: stride)))
            let isRight = (0..<columns).allSatisfy { row in
                (0..<stride).allSatisfy { to.matrix.row(row)[$0] == ($0 < rows ? Float($0 * 100 + row) : 0) }
            }
            #expect(isRight, "\(rows), \(columns)")
        }
    }
}
