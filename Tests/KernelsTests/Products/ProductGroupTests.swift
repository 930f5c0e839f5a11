import Diagnostics
import Kernels
import Tensors
import Testing

/// As in `ProductTests`.
private let tolerance = 3e-6

private struct Computation: CustomTestStringConvertible, Sendable {
    let set: InstructionSet
    let type: ComputeType

    static let all: [Computation] = InstructionSet.supported.flatMap { set in
        ComputeType.allCases.filter { $0 == .float32 || set.hasBFloat16Products }.map {
            Computation(set: set, type: $0)
        }
    }

    var testDescription: String { "\(set.rawValue) \(type.rawValue)" }

    func context(threads: Int) -> ComputeContext {
        ComputeContext(kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: type)
    }

    func rounded(_ value: Float) -> Double { Double(type == .bfloat16 ? roundedToBFloat16(value) : value) }
}

/// Products that share an input or a result, with low-rank terms.
@Suite("Products in groups")
struct ProductGroupTests {
    /// Three weights of different storages for inputs of K = 420, two reduction blocks; the second is stored transposed.
    private let storages: [SampleStorage] = [.table4Nested64, .bfloat16, .signed8Block64]
    private let m = 29
    private let k = 420
    private let outputs = [70, 16, 131]

    private func weights() -> [SampleWeight] {
        zip(storages, outputs).enumerated().map { index, pair in
            let (rows, columns) = isTransposed(index) ? (k, pair.1) : (pair.1, k)
            return SampleWeight(pair.0, rows: rows, columns: columns, seed: UInt64(index) + 31)
        }
    }

    private func isTransposed(_ index: Int) -> Bool { index == 1 }

    /// W[output, input].
    private func value(_ weight: SampleWeight, _ index: Int, _ output: Int, _ input: Int) -> Float {
        weight.values[isTransposed(index) ? input * outputs[index] + output : output * k + input]
    }

    /// Ranks: odd, a whole vector, above what products add themselves.
    private func ranks(_ large: Bool) -> [Int] { [5, 16, large ? 260 : 33] }

    @Test("forward: reference, and the bits of single products", arguments: Computation.all, [false, true])
    fileprivate func forward(_ computation: Computation, large: Bool) {
        let weights = weights()
        var numbers = SampleNumbers(seed: 7)
        let x = SampleMatrix(rows: m, columns: k) { _, _ in numbers.float() }
        let bias = (0..<131).map { _ in numbers.float() }
        let addends = outputs.map { SampleMatrix(rows: m, columns: $0) { _, _ in numbers.float() } }
        let terms = zip(outputs, ranks(large)).map { output, rank in
            (
                left: SampleMatrix(rows: m, columns: rank) { _, _ in numbers.float() },
                right: SampleMatrix(rows: output, columns: rank, gap: 0) { _, _ in numbers.float() }
            )
        }
        func run(threads: Int, rows: Range<Int>, together: Bool) -> [SampleMatrix] {
            let context = computation.context(threads: threads)
            let scratch = ProductScratch(context, rows: rows.count, dimension: k)
            let results = outputs.map { SampleMatrix(rows: rows.count, columns: $0) }
            bias.withUnsafeBufferPointer { bias in
                let products = outputs.indices.map { index in
                    ForwardProduct(
                        weights[index].matrix, isTransposed: isTransposed(index),
                        bias: index == 1 ? nil : bias.baseAddress, into: .float32(results[index].matrix),
                        addend: index == 2 ? nil : addends[index].matrix.rows(rows),
                        lowRank: LowRankTerm(
                            left: terms[index].left.matrix.rows(rows), right: terms[index].right.matrix))
                }
                if together {
                    context.forward(x.matrix.rows(rows), products, scratch: scratch.buffer)
                } else {
                    for product in products {
                        context.forward(x.matrix.rows(rows), [product], scratch: scratch.buffer)
                    }
                }
            }
            return results
        }
        let whole = run(threads: 2, rows: 0..<m, together: true)
        for (index, result) in whole.enumerated() {
            let worst = largestError(result) { row, column in
                var sum = (index == 1 ? 0 : Double(bias[column]))
                if index != 2 { sum += Double(addends[index].matrix.row(row)[column]) }
                var magnitude = abs(sum)
                for place in 0..<k {
                    let product =
                        computation.rounded(x.matrix.row(row)[place])
                        * computation.rounded(value(weights[index], index, column, place))
                    sum += product
                    magnitude += abs(product)
                }
                for place in 0..<ranks(large)[index] {
                    let product =
                        Double(terms[index].left.matrix.row(row)[place])
                        * Double(terms[index].right.matrix.row(column)[place])
                    sum += product
                    magnitude += abs(product)
                }
                return (sum, magnitude)
            }
            #expect(worst < tolerance, "product \(index)")
            #expect(result.gapsAreIntact)
        }
        let single = run(threads: 3, rows: 0..<m, together: false)
        let part = run(threads: 1, rows: 13..<m, together: true)
        for index in outputs.indices {
            let isEqual = single[index].bits == whole[index].bits
            #expect(isEqual, "product \(index) alone")
            let isPartEqual = part[index].bits == Array(whole[index].bits.dropFirst(13 * outputs[index]))
            #expect(isPartEqual, "product \(index), rows from 13")
        }
    }

    @Test("a bfloat16 result is the float32 one, rounded to nearest even")
    func narrowResult() {
        for computation in Computation.all where computation.set.hasBFloat16Products {
            let context = computation.context(threads: 2)
            let weight = SampleWeight(.table4Nested64, rows: 139, columns: k, seed: 3)
            var numbers = SampleNumbers(seed: 8)
            let x = SampleMatrix(rows: m, columns: k) { _, _ in numbers.float() }
            let bias = (0..<139).map { _ in numbers.float() }
            let wide = SampleMatrix(rows: m, columns: 139)
            let mark: UInt16 = 0xBEEF
            let narrow = UnsafeMutablePointer<UInt16>.allocate(capacity: m * 142)
            defer { narrow.deallocate() }
            narrow.update(repeating: mark, count: m * 142)
            let scratch = ProductScratch(context, rows: m, dimension: k)
            bias.withUnsafeBufferPointer { bias in
                context.forward(
                    x.matrix,
                    [
                        ForwardProduct(weight.matrix, bias: bias.baseAddress, into: .float32(wide.matrix)),
                        ForwardProduct(
                            weight.matrix, bias: bias.baseAddress,
                            into: .bfloat16(BFloat16Matrix(base: narrow, rows: m, columns: 139, stride: 142))),
                    ], scratch: scratch.buffer)
            }
            let isRight = (0..<m).allSatisfy { row in
                (0..<142).allSatisfy { column in
                    let found = narrow[row * 142 + column]
                    guard column < 139 else { return found == mark }
                    return found == UInt16(roundedToBFloat16(wide.matrix.row(row)[column]).bitPattern >> 16)
                }
            }
            #expect(isRight, "\(computation.testDescription)")
        }
    }

    @Test("input gradient: reference, threads and rows", arguments: Computation.all, [false, true])
    fileprivate func inputGradient(_ computation: Computation, large: Bool) {
        let weights = weights()
        var numbers = SampleNumbers(seed: 9)
        let gradients = outputs.map { SampleMatrix(rows: m, columns: $0) { _, _ in numbers.float() } }
        let terms = ranks(large).map { rank in
            (
                left: SampleMatrix(rows: m, columns: rank) { _, _ in numbers.float() },
                right: SampleMatrix(rows: rank, columns: k, gap: 0) { _, _ in numbers.float() }
            )
        }
        func run(threads: Int, rows: Range<Int>, adding: Bool) -> SampleMatrix {
            let context = computation.context(threads: threads)
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: context.productScratchByteCount(
                    rows: rows.count, dimension: k, summed: outputs.reduce(0, +)), alignment: 64)
            defer { buffer.deallocate() }
            let dX = SampleMatrix(rows: rows.count, columns: k) { row, column in
                Float((row + rows.lowerBound - column) % 17) / 16
            }
            context.inputGradient(
                outputs.indices.map { index in
                    GradientProduct(
                        gradients[index].matrix.rows(rows), weights[index].matrix, isTransposed: isTransposed(index),
                        lowRank: index == 1
                            ? nil
                            : LowRankTerm(left: terms[index].left.matrix.rows(rows), right: terms[index].right.matrix))
                }, into: dX.matrix, adding: adding, scratch: buffer)
            return dX
        }
        for adding in [false, true] {
            let whole = run(threads: 2, rows: 0..<m, adding: adding)
            let worst = largestError(whole) { row, column in
                var sum = adding ? Double((row - column) % 17) / 16 : 0
                var magnitude = abs(sum)
                for index in outputs.indices {
                    for place in 0..<outputs[index] {
                        let product =
                            computation.rounded(gradients[index].matrix.row(row)[place])
                            * computation.rounded(value(weights[index], index, place, column))
                        sum += product
                        magnitude += abs(product)
                    }
                    for place in 0..<ranks(large)[index] where index != 1 {
                        let product =
                            Double(terms[index].left.matrix.row(row)[place])
                            * Double(terms[index].right.matrix.row(place)[column])
                        sum += product
                        magnitude += abs(product)
                    }
                }
                return (sum, magnitude)
            }
            #expect(worst < tolerance)
            #expect(whole.gapsAreIntact)
            let part = run(threads: 3, rows: 11..<m, adding: adding)
            let isEqual = part.bits == Array(whole.bits.dropFirst(11 * k))
            #expect(isEqual, "rows from 11")
        }
    }
}

/// The largest difference from values in double precision, each relative to its magnitude; infinite where one is not
/// finite.
private func largestError(_ result: SampleMatrix, _ reference: (Int, Int) -> (Double, Double)) -> Double {
    var worst = 0.0
    for row in 0..<result.matrix.rows {
        for column in 0..<result.matrix.columns {
            let (expected, magnitude) = reference(row, column)
            let error = abs(result[row, column] - expected) / max(magnitude, 1e-6)
            worst = error.isFinite ? max(worst, error) : .infinity
        }
    }
    return worst
}
