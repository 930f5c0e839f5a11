import Kernels
import Tensors

/// A computation on every instruction set of this machine.
func contexts(threads: Int = 2) -> [ComputeContext] {
    InstructionSet.supported.map {
        ComputeContext(kernels: KernelTable($0), pool: WorkerPool(threadCount: threads), computeType: .float32)
    }
}

extension MatrixFixture {
    /// Uniform numbers in -range ..< range.
    static func random(_ rows: Int, _ columns: Int, seed: UInt64, range: Float = 1) -> MatrixFixture {
        var numbers = TestNumbers(seed: seed)
        return MatrixFixture(rows: rows, columns: columns) { _, _ in range * numbers.float() }
    }

    /// A copy of the same shape.
    var copy: MatrixFixture {
        MatrixFixture(rows: matrix.rows, columns: matrix.columns) { self.matrix.row($0)[$1] }
    }

    subscript(row: Int, column: Int) -> Double { Double(matrix.row(row)[column]) }

    /// The bits of some rows.
    func bits(rows: Range<Int>) -> [UInt32] {
        rows.flatMap { row in (0..<matrix.columns).map { matrix.row(row)[$0].bitPattern } }
    }

    /// The largest difference from a reference, relative to the largest number of the reference.
    func error(_ reference: (Int, Int) -> Double) -> Double {
        var (difference, scale) = (0.0, 1e-300)
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns {
                let expected = reference(row, column)
                let own = self[row, column]
                guard own.isFinite else { return .infinity }
                difference = max(difference, abs(own - expected))
                scale = max(scale, abs(expected))
            }
        }
        return difference / scale
    }
}

/// A buffer with its memory.
final class BufferFixture<Element: BitwiseCopyable> {
    let base: UnsafeMutablePointer<Element>
    let count: Int

    init(_ elements: [Element]) {
        count = elements.count
        base = .allocate(capacity: max(1, count))
        for index in 0..<count { (base + index).initialize(to: elements[index]) }
    }

    convenience init(repeating element: Element, count: Int) { self.init(Array(repeating: element, count: count)) }

    deinit { base.deallocate() }

    var elements: [Element] { (0..<count).map { base[$0] } }
}

/// Units in the last place between a float and the exact value.
func unitsInLastPlace(_ own: Float, _ exact: Double) -> Double {
    abs(Double(own) - exact) / Double(max(abs(Float(exact)), .leastNormalMagnitude).ulp)
}

/// Row lengths that are multiples of nothing, beside some that fill vectors exactly.
let oddLengths = [1, 2, 7, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100, 127, 576, 1003]
