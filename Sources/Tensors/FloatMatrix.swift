/// A view of a float32 matrix in memory that somebody else owns: row-major, rows `stride` elements apart.
///
/// Views are made by owners (`Arena`, `AlignedMemory`) and must not outlive them.
@frozen public struct FloatMatrix: @unchecked Sendable {
    // Unchecked: a view is handed to workers that write disjoint rows or columns; the caller partitions.

    public let base: UnsafeMutablePointer<Float>
    public let rows: Int
    public let columns: Int
    /// Elements from one row to the next, at least `columns`.
    public let stride: Int

    @inlinable public init(base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    /// The first element of a row.
    @inlinable public func row(_ index: Int) -> UnsafeMutablePointer<Float> { base + index * stride }

    /// The rows of a range, as a view.
    @inlinable public func rows(_ range: Range<Int>) -> FloatMatrix {
        FloatMatrix(base: base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
    }

    /// The columns of a range, as a view with the same stride.
    @inlinable public func columns(_ range: Range<Int>) -> FloatMatrix {
        FloatMatrix(base: base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }

    /// Whether rows follow each other without gaps.
    @inlinable public var isContiguous: Bool { stride == columns }

    /// Elements, rows times columns.
    @inlinable public var count: Int { rows * columns }

    /// Sets every element of every row to zero.
    @inlinable public func zero() {
        for index in 0..<rows { row(index).update(repeating: 0, count: columns) }
    }
}
