import Kernels
import Tensors
import Testing

/// A matrix filled from a seed with values in -1..<1, surrounded by NaN where its stride leaves gaps. Its memory is
/// never given back, because a view does not keep its owner alive.
///
/// - Parameters:
///   - stride: elements between rows.
///   - offset: shifts the first element off the alignment of the memory.
private func testMatrix(_ rows: Int, _ columns: Int, seed: UInt64, stride: Int? = nil, offset: Int = 0) -> FloatMatrix {
    let stride = stride ?? columns
    let count = max(1, rows * stride + offset)
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: count)
    memory.initialize(repeating: .nan, count: count)
    let matrix = FloatMatrix(base: memory + offset, rows: rows, columns: columns, stride: stride)
    var state = seed
    for row in 0..<rows {
        for column in 0..<columns {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            matrix.row(row)[column] = Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
        }
    }
    return matrix
}

private func bits(_ matrix: FloatMatrix) -> [UInt32] {
    (0..<matrix.rows).flatMap { row in (0..<matrix.columns).map { matrix.row(row)[$0].bitPattern } }
}

/// Elements whose bits differ.
private func differenceCount(_ left: [UInt32], _ right: [UInt32]) -> Int {
    left.count == right.count ? zip(left, right).count { $0 != $1 } : .max
}

@Suite struct AlgebraTests {
    /// A sum of k float32 products of values below 1, compared with a double: each of the k additions may round by half
    /// a unit of a partial sum that stays below k, and usually far below.
    private static func tolerance(_ k: Int) -> Double { Double(max(1, k)).squareRoot() * 2e-7 * 4 }

    private static func largestError(
        _ output: FloatMatrix, _ k: Int, start: (Int, Int) -> Double, left: (Int, Int) -> Float,
        right: (Int, Int) -> Float, scale: Float
    ) -> Double {
        var largest = 0.0
        for row in 0..<output.rows {
            for column in 0..<output.columns {
                var sum = 0.0
                for index in 0..<k { sum += Double(left(row, index)) * Double(right(index, column)) }
                let error = abs(Double(output.row(row)[column]) - start(row, column) - Double(scale) * sum)
                largest = error.isNaN ? .infinity : max(largest, error)
            }
        }
        return largest
    }

    @Test func libraryIsStartedWithTheFastestCore() {
        let library = Algebra.library
        #expect(!library.coreName.isEmpty)
        #expect(library.version.first?.isNumber == true)
        if InstructionSet.avx512.isSupported, library.coreWasReplaced { #expect(library.coreName == "SkylakeX") }
    }

    @Test(
        arguments: [(1, 1, 1), (3, 5, 7), (16, 33, 100), (100, 16, 64), (64, 130, 513), (0, 3, 3), (3, 3, 0)],
        [false, true])
    func productsEqualDoubles(shape: (Int, Int, Int), accumulates: Bool) {
        let (m, n, k) = shape
        for leftTransposed in [false, true] {
            for rightTransposed in [false, true] {
                let left = leftTransposed ? testMatrix(k, m, seed: 1, stride: m + 3) : testMatrix(m, k, seed: 1)
                let right = rightTransposed ? testMatrix(n, k, seed: 2) : testMatrix(k, n, seed: 2, stride: n + 1)
                let output = testMatrix(m, n, seed: 3, stride: n + 5)
                let before = testMatrix(m, n, seed: 3)
                Algebra.multiply(
                    left, transposed: leftTransposed, by: right, transposed: rightTransposed, scale: 0.5,
                    into: output, accumulates: accumulates)
                let error = Self.largestError(
                    output, k, start: { accumulates ? Double(before.row($0)[$1]) : 0 },
                    left: { leftTransposed ? left.row($1)[$0] : left.row($0)[$1] },
                    right: { rightTransposed ? right.row($1)[$0] : right.row($0)[$1] }, scale: 0.5)
                #expect(error <= Self.tolerance(k))
            }
        }
    }

    /// A product that replaces its output does not read it: NaN in it does not survive.
    @Test func replacedOutputIsNotRead() {
        let left = testMatrix(4, 3, seed: 1), right = testMatrix(3, 5, seed: 2), output = testMatrix(4, 5, seed: 3)
        for row in 0..<4 { output.row(row).update(repeating: .nan, count: 5) }
        Algebra.multiply(left, by: right, into: output)
        #expect(bits(output).count { !Float(bitPattern: $0).isFinite } == 0)
    }

    @Test func bitsDoNotDependOnAlignmentOrStride() {
        for (m, n, k) in [(16, 256, 100), (100, 16, 64), (33, 47, 700)] {
            let plain = testMatrix(m, n, seed: 9), shifted = testMatrix(m, n, seed: 9, stride: n + 7, offset: 5)
            Algebra.multiply(
                testMatrix(m, k, seed: 1), by: testMatrix(k, n, seed: 2), into: plain, accumulates: true)
            Algebra.multiply(
                testMatrix(m, k, seed: 1, stride: k + 3, offset: 1),
                by: testMatrix(k, n, seed: 2, stride: n + 9, offset: 3), into: shifted, accumulates: true)
            #expect(differenceCount(bits(plain), bits(shifted)) == 0)
        }
    }

    /// Several pools at once use OpenBLAS from several threads, as parallel tests and evaluation beside training do.
    @Test func concurrentCallersGetEqualBits() async {
        let left = testMatrix(200, 32, seed: 7), right = testMatrix(200, 700, seed: 8)
        let all = await withTaskGroup(of: [UInt32].self) { group in
            for threadCount in 1...4 {
                group.addTask {
                    let pool = WorkerPool(threadCount: threadCount)
                    let output = testMatrix(32, 700, seed: 9)
                    for _ in 0..<10 {
                        pool.run(7) { part in
                            let columns = part * 100..<(part + 1) * 100
                            Algebra.multiply(
                                left, transposed: true, by: right.columns(columns), into: output.columns(columns),
                                accumulates: true)
                        }
                    }
                    return bits(output)
                }
            }
            return await group.reduce(into: [[UInt32]]()) { $0.append($1) }
        }
        #expect(all.map { differenceCount($0, all[0]) } == [0, 0, 0, 0])
    }

    @Test func mismatchedShapesEndTheProcessWithASentence() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let matrix = FloatMatrix(base: .allocate(capacity: 16), rows: 4, columns: 4)
            let other = FloatMatrix(base: .allocate(capacity: 16), rows: 2, columns: 8)
            Algebra.multiply(matrix, by: other, into: matrix)
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("a product of [4, 4] by [2, 8] does not give [4, 4]"))
    }
}
