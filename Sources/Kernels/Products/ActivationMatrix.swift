package import Tensors

/// Activations in one of the types in which they may be kept: where the result of a forward product goes.
package enum ActivationMatrix: Sendable {
    case float32(FloatMatrix)
    /// Rounded to nearest even; only where the instruction set has bfloat16, and not with a low-rank term of a rank above
    /// `ComputeContext.largestFusedRank`.
    case bfloat16(BFloat16Matrix)

    package var rows: Int {
        switch self {
        case .float32(let matrix): matrix.rows
        case .bfloat16(let matrix): matrix.rows
        }
    }

    package var columns: Int {
        switch self {
        case .float32(let matrix): matrix.columns
        case .bfloat16(let matrix): matrix.columns
        }
    }

    /// The matrix, where it is float32.
    package var float32: FloatMatrix? {
        if case .float32(let matrix) = self { matrix } else { nil }
    }

    /// The columns of a range, as a view with the same stride.
    package func columns(_ range: Range<Int>) -> ActivationMatrix {
        switch self {
        case .float32(let matrix): .float32(matrix.columns(range))
        case .bfloat16(let matrix): .bfloat16(matrix.columns(range))
        }
    }

    var stride: Int {
        switch self {
        case .float32(let matrix): matrix.stride
        case .bfloat16(let matrix): matrix.stride
        }
    }

    var isNarrow: Bool {
        if case .bfloat16 = self { true } else { false }
    }

    func row(_ index: Int) -> UnsafeMutableRawPointer {
        switch self {
        case .float32(let matrix): UnsafeMutableRawPointer(matrix.row(index))
        case .bfloat16(let matrix): UnsafeMutableRawPointer(matrix.row(index))
        }
    }
}
