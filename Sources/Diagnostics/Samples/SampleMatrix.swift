package import Kernels
package import Tensors

/// A matrix with its memory; rows `gap` elements apart from each other, the gaps holding a mark that shows whether
/// somebody wrote there.
package final class SampleMatrix {
    package static let mark: Float = -12345.5
    package let matrix: FloatMatrix
    private let memory: UnsafeMutablePointer<Float>

    package init(
        rows: Int, columns: Int, gap: Int = 3,
        fill: (_ row: Int, _ column: Int) -> Float = { _, _ in SampleMatrix.mark }
    ) {
        memory = .allocate(capacity: rows * (columns + gap) + 1)
        memory.update(repeating: Self.mark, count: rows * (columns + gap) + 1)
        matrix = FloatMatrix(base: memory + 1, rows: rows, columns: columns, stride: columns + gap)
        for row in 0..<rows { for column in 0..<columns { matrix.row(row)[column] = fill(row, column) } }
    }

    deinit { memory.deallocate() }

    /// Uniform numbers in -range ..< range.
    package static func random(_ rows: Int, _ columns: Int, seed: UInt64, range: Float = 1) -> SampleMatrix {
        var numbers = SampleNumbers(seed: seed)
        return SampleMatrix(rows: rows, columns: columns) { _, _ in range * numbers.float() }
    }

    /// A copy of the same shape.
    package var copy: SampleMatrix {
        SampleMatrix(rows: matrix.rows, columns: matrix.columns) { self.matrix.row($0)[$1] }
    }

    package subscript(row: Int, column: Int) -> Double { Double(matrix.row(row)[column]) }

    /// The elements, row-major without gaps, as bits.
    package var bits: [UInt32] { bits(rows: 0..<matrix.rows) }

    /// The bits of some rows.
    package func bits(rows: Range<Int>) -> [UInt32] {
        rows.flatMap { row in (0..<matrix.columns).map { matrix.row(row)[$0].bitPattern } }
    }

    /// Whether nothing wrote between the rows.
    package var gapsAreIntact: Bool {
        (0..<matrix.rows).allSatisfy { row in
            (matrix.columns..<matrix.stride).allSatisfy {
                row * matrix.stride + $0 >= matrix.rows * matrix.stride - 1 || matrix.row(row)[$0] == Self.mark
            }
        }
    }

    /// The largest difference from a reference, relative to the largest number of the reference; infinite where a
    /// number is not finite.
    package func error(_ reference: (_ row: Int, _ column: Int) -> Double) -> Double {
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

    /// The largest difference from a sum, each relative to the magnitude of the terms it was made of; infinite where a
    /// number is not finite.
    package func error(ofSums reference: (_ row: Int, _ column: Int) -> ReferenceSum) -> Double {
        var worst = 0.0
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns {
                let expected = reference(row, column)
                let error = abs(self[row, column] - expected.value) / max(expected.magnitude, 1e-6)
                worst = error.isFinite ? max(worst, error) : .infinity
            }
        }
        return worst
    }
}

/// A buffer with its memory.
package final class SampleBuffer<Element: BitwiseCopyable> {
    package let base: UnsafeMutablePointer<Element>
    package let count: Int

    package init(_ elements: [Element]) {
        count = elements.count
        base = .allocate(capacity: max(1, count))
        for index in 0..<count { (base + index).initialize(to: elements[index]) }
    }

    package convenience init(repeating element: Element, count: Int) {
        self.init(Array(repeating: element, count: count))
    }

    deinit { base.deallocate() }

    package var elements: [Element] { (0..<count).map { base[$0] } }

    /// The memory as bytes: scratch, as kernels take it.
    package var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: base, count: count * MemoryLayout<Element>.stride)
    }
}

/// Scratch for products, full of NaN: whatever was there before must not matter.
package final class ProductScratch {
    package let buffer: UnsafeMutableRawBufferPointer

    package init(_ context: ComputeContext, rows: Int, dimension: Int) {
        buffer = .allocate(
            byteCount: context.productScratchByteCount(rows: rows, dimension: dimension), alignment: 16)
        buffer.bindMemory(to: Float.self).update(repeating: .nan)
    }

    deinit { buffer.deallocate() }
}
