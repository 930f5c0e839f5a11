import Diagnostics
import Kernels
import Tensors
import Testing

/// Error allowed relative to the sum of the absolute products: float32 sums of up to 512 terms in order, whose rounding
/// errors (2^-24 each) mostly cancel. One wrong element of a thousand is a hundred times more.
private let tolerance = 3e-6

private let computations: [(InstructionSet, ComputeType)] = InstructionSet.supported.flatMap { set in
    ComputeType.allCases.filter { $0 == .float32 || set.hasBFloat16Products }.map { (set, $0) }
}

private struct Computation: CustomTestStringConvertible, Sendable {
    let set: InstructionSet
    let type: ComputeType
    let storage: SampleStorage

    static let all: [Computation] = computations.flatMap { set, type in
        SampleStorage.allCases.map { Computation(set: set, type: type, storage: $0) }
    }

    var testDescription: String { "\(set.rawValue) \(type.rawValue) \(storage.rawValue)" }

    func context(threads: Int = 1) -> ComputeContext {
        ComputeContext(kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: type)
    }
}

/// M, N, K: single elements, odd everything, several reduction blocks in both directions, several chunks, whole chunks of
/// columns in reduction blocks that begin inside blocks of a scale.
private let shapes: [(m: Int, n: Int, k: Int)] = [
    (1, 1, 1), (2, 3, 5), (5, 17, 31), (13, 33, 65), (7, 40, 64), (25, 70, 321), (12, 530, 96), (3, 65, 1091),
    (541, 34, 40), (14, 50, 608),
]

/// For gradients alone: so many columns that a task has several panels, of a count that is no multiple of two where
/// panels have 16 columns, and whose blocks begin inside a task.
private let wideGradient = (m: 4, n: 4160, k: 33)

/// And so long a reduction that it is cut into slices, the last of them short.
private let longGradient = (m: 2, n: 33, k: 16_999)

@Suite("Products with stored weights")
struct ProductTests {
    @Test("forward equals the scalar reference", arguments: Computation.all)
    fileprivate func forward(_ computation: Computation) {
        for (index, listed) in shapes.enumerated() {
            let shape = (m: listed.m, n: listed.n, k: computation.storage.columns(listed.k))
            for adding in [false, true] {
                let context = computation.context()
                let weight = SampleWeight(
                    computation.storage, rows: shape.n, columns: shape.k, seed: UInt64(index) + 1)
                var numbers = SampleNumbers(seed: UInt64(index) + 77)
                let x = SampleMatrix(rows: shape.m, columns: shape.k) { _, _ in numbers.float() }
                let bias = (0..<shape.n).map { _ in numbers.float() }
                let y = SampleMatrix(rows: shape.m, columns: shape.n) { row, column in Float(row - column) / 16 }
                let scratch = ProductScratch(context, rows: shape.m, dimension: max(shape.n, shape.k))
                context.forward(
                    x.matrix, weight.matrix, bias: adding ? nil : bias, into: y.matrix, adding: adding,
                    scratch: scratch.buffer)
                let reference = ProductReference(weight, computeType: computation.type)
                let worst = y.error(ofSums: { row, column in
                    reference.forward(
                        x.matrix, row: row, output: column,
                        from: adding ? Double(row - column) / 16 : Double(bias[column]))
                })
                #expect(worst < tolerance, "M, N, K = \(shape), adding: \(adding)")
                #expect(y.gapsAreIntact)
            }
        }
    }

    @Test("input gradient equals the scalar reference", arguments: Computation.all)
    fileprivate func inputGradient(_ computation: Computation) {
        for (index, shape) in (shapes + [wideGradient, longGradient]).enumerated() {
            for adding in [false, true] {
                let context = computation.context()
                // N and K change places, so that long reductions occur here too.
                let (n, k) = (shape.k, computation.storage.columns(shape.n))
                let weight = SampleWeight(computation.storage, rows: n, columns: k, seed: UInt64(index) + 5)
                var numbers = SampleNumbers(seed: UInt64(index) + 99)
                let dY = SampleMatrix(rows: shape.m, columns: n) { _, _ in numbers.float() }
                let dX = SampleMatrix(rows: shape.m, columns: k) { row, column in Float(column - row) / 16 }
                let scratch = ProductScratch(context, rows: shape.m, dimension: max(n, k))
                context.inputGradient(
                    dY.matrix, weight.matrix, into: dX.matrix, adding: adding, scratch: scratch.buffer)
                let reference = ProductReference(weight, computeType: computation.type)
                let worst = dX.error(ofSums: { row, column in
                    reference.inputGradient(
                        dY.matrix, row: row, column: column, from: adding ? Double(column - row) / 16 : 0)
                })
                #expect(worst < tolerance, "M, N, K = \((shape.m, n, k)), adding: \(adding)")
                #expect(dX.gapsAreIntact)
            }
        }
    }

    @Test("few rows equal the scalar reference", arguments: Computation.all)
    fileprivate func fewRows(_ computation: Computation) {
        let shapes = [
            (1, 1, 1), (2, 3, 5), (3, 17, 31), (5, 33, 65), (8, 40, 64), (1, 70, 321), (4, 9, 192), (6, 65, 1091),
        ]
        for (index, shape) in shapes.enumerated() {
            for adding in [false, true] {
                let (m, n, k) = (shape.0, shape.1, computation.storage.columns(shape.2))
                let context = computation.context()
                let weight = SampleWeight(computation.storage, rows: n, columns: k, seed: UInt64(index) + 9)
                var numbers = SampleNumbers(seed: UInt64(index) + 55)
                let x = SampleMatrix(rows: m, columns: k) { _, _ in numbers.float() }
                let bias = (0..<n).map { _ in numbers.float() }
                let y = SampleMatrix(rows: m, columns: n) { row, column in Float(row - column) / 16 }
                let scratch = ProductScratch(context, rows: m, dimension: max(n, k))
                context.forwardFewRows(
                    x.matrix, weight.matrix, bias: bias, into: y.matrix, adding: adding, scratch: scratch.buffer)
                let reference = ProductReference(weight, computeType: computation.type)
                let worst = y.error(ofSums: { row, column in
                    reference.forwardFewRows(
                        x.matrix, row: row, output: column,
                        from: Double(bias[column]) + (adding ? Double(row - column) / 16 : 0))
                })
                #expect(worst < tolerance, "M, N, K = \(shape), adding: \(adding)")
                #expect(y.gapsAreIntact)
            }
        }
    }

    @Test("gathered rows are code times scale, to the bit", arguments: Computation.all)
    fileprivate func gather(_ computation: Computation) {
        for (rows, listed) in [(1, 1), (5, 7), (9, 31), (11, 65), (4, 321), (3, 1091)] {
            let columns = computation.storage.columns(listed)
            let context = computation.context()
            let weight = SampleWeight(computation.storage, rows: rows, columns: columns, seed: UInt64(columns))
            let ids = (0..<2 * rows).map { Int32(($0 * 7 + 3) % rows) }
            let output = SampleMatrix(rows: ids.count, columns: columns)
            context.gatherRows(weight.matrix, ids: ids, count: ids.count, into: output.matrix)
            let expected = ids.flatMap { id in
                (0..<columns).map { weight.values[Int(id) * columns + $0].bitPattern }
            }
            let isEqual = output.bits == expected
            #expect(isEqual, "\(rows) rows of \(columns)")
            #expect(output.gapsAreIntact)
        }
    }

    @Test("a row's bits depend on that row alone, not on the others or on the threads", arguments: Computation.all)
    fileprivate func determinism(_ computation: Computation) {
        let (m, n, k) = (61, 75, computation.storage.columns(1100))
        let weight = SampleWeight(computation.storage, rows: n, columns: k, seed: 3)
        var numbers = SampleNumbers(seed: 4)
        let x = SampleMatrix(rows: m, columns: k) { _, _ in numbers.float() }
        let dY = SampleMatrix(rows: m, columns: n) { _, _ in numbers.float() }
        let bias = (0..<n).map { _ in numbers.float() }

        func results(rows: Range<Int>, threads: Int) -> [[UInt32]] {
            let context = computation.context(threads: threads)
            let scratch = ProductScratch(context, rows: rows.count, dimension: k)
            let y = SampleMatrix(rows: rows.count, columns: n) { row, column in
                Float((row + rows.lowerBound) * column % 13)
            }
            context.forward(
                x.matrix.rows(rows), weight.matrix, bias: bias, into: y.matrix, adding: true, scratch: scratch.buffer)
            let few = SampleMatrix(rows: rows.count, columns: n) { _, _ in 0 }
            context.forwardFewRows(
                x.matrix.rows(rows), weight.matrix, bias: bias, into: few.matrix, adding: false, scratch: scratch.buffer
            )
            let dX = SampleMatrix(rows: rows.count, columns: k) { _, _ in 0 }
            context.inputGradient(
                dY.matrix.rows(rows), weight.matrix, into: dX.matrix, adding: false, scratch: scratch.buffer)
            return [y.bits, few.bits, dX.bits]
        }

        let whole = results(rows: 0..<m, threads: 1)
        for threads in [2, 3] {
            let isEqual = results(rows: 0..<m, threads: threads) == whole
            #expect(isEqual, "\(threads) threads")
        }
        for rows in [0..<1, 60..<61, 5..<18, 30..<42, 1..<61] {
            let part = results(rows: rows, threads: 2)
            for (index, width) in [n, n, k].enumerated() {
                let expected = Array(whole[index][rows.lowerBound * width..<rows.upperBound * width])
                let isEqual = part[index] == expected
                #expect(isEqual, "result \(index), rows \(rows)")
            }
        }
    }

    @Test("a small product equals one inside a large one, over several chunks of rows")
    func chunks() {
        guard let set = InstructionSet.supported.last else { return }
        let type: ComputeType = set.hasBFloat16Products ? .bfloat16 : .float32
        let context = ComputeContext(kernels: KernelTable(set), pool: WorkerPool(threadCount: 2), computeType: type)
        let (m, n, k) = (1301, 2111, 70)
        let weight = SampleWeight(.table4Nested64, rows: n, columns: k, seed: 8)
        var numbers = SampleNumbers(seed: 12)
        let x = SampleMatrix(rows: m, columns: k) { _, _ in numbers.float() }
        let y = SampleMatrix(rows: m, columns: n)
        let scratch = ProductScratch(context, rows: m, dimension: n)
        context.forward(x.matrix, weight.matrix, bias: nil, into: y.matrix, adding: false, scratch: scratch.buffer)
        for row in [0, 433, 434, 700, 1300] {
            let one = SampleMatrix(rows: 1, columns: n)
            context.forward(
                x.matrix.rows(row..<row + 1), weight.matrix, bias: nil, into: one.matrix, adding: false,
                scratch: scratch.buffer)
            let isEqual = one.bits == (0..<n).map { y.matrix.row(row)[$0].bitPattern }
            #expect(isEqual, "row \(row)")
        }
    }
}
