/// A view of a bfloat16 matrix in memory that somebody else owns: row-major, rows `stride` elements apart.
///
/// Views are made by owners and must not outlive them.
@frozen public struct BFloat16Matrix: @unchecked Sendable {
    // Unchecked: as `FloatMatrix`.

    public let base: UnsafeMutablePointer<UInt16>
    public let rows: Int
    public let columns: Int
    /// Elements from one row to the next, at least `columns`.
    public let stride: Int

    @inlinable public init(base: UnsafeMutablePointer<UInt16>, rows: Int, columns: Int, stride: Int? = nil) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    /// The first element of a row.
    @inlinable public func row(_ index: Int) -> UnsafeMutablePointer<UInt16> { base + index * stride }

    /// The columns of a range, as a view with the same stride.
    @inlinable public func columns(_ range: Range<Int>) -> BFloat16Matrix {
        BFloat16Matrix(base: base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }
}
