internal import CIntrinsics
package import Tensors

/// Which channels of a head rotary embedding turns together.
package enum RotaryPairing: Sendable {
    /// Channel i and channel i + w/2.
    case halves
    /// Channel 2i and channel 2i + 1, as GPT-J and Cohere have it.
    case neighbours
}

extension ComputeContext {
    /// Rotary position embedding in place (Su et al., "RoFormer", 2021; halves as transformers pairs them): channels
    /// i and i + w/2 of each head, i < w/2, are turned by the angle of the row's position.
    ///
    /// - Parameters:
    ///   - pairing: which channels are turned together.
    ///   - x: [M, heads * headWidth].
    ///   - rotaryWidth: w, the channels of a head that turn; the rest stay. Even, at most headWidth (the default).
    ///   - positions: [M], each a row of the tables.
    ///   - cosines: [P, w / 2], any scaling of the attention included; `sines` likewise.
    ///   - inverse: turns back: the gradient of the rotation (where the tables are scaled, its transpose).
    package func rotate(
        _ x: FloatMatrix, heads: Int, headWidth: Int, rotaryWidth: Int? = nil, pairing: RotaryPairing = .halves,
        positions: UnsafePointer<Int32>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, inverse: Bool
    ) -> RowPass {
        let width = rotaryWidth ?? headWidth
        guard heads * headWidth == x.columns, width >= 0, width <= headWidth, width % 2 == 0 else {
            fatalError("\(x.columns) columns are not \(heads) heads of \(headWidth), \(width) of them turning")
        }
        let table = kernels.elementwise
        let sign: Float = inverse ? -1 : 1
        nonisolated(unsafe) let (positions, cosines, sines) = (positions, cosines, sines)  // read only
        return RowPass(rows: x.rows, columns: x.columns, part: "rotation") { rows in
            for row in rows {
                let angles = Int(positions[row]) * (width / 2)
                let (cosines, sines) = (cosines + angles, sines + angles)
                if pairing == .halves {
                    table.rotate(x.row(row), Int64(heads), Int64(headWidth), Int64(width), cosines, sines, sign)
                } else {
                    table.rotate_pairs(x.row(row), Int64(heads), Int64(headWidth), Int64(width), cosines, sines, sign)
                }
            }
        }
    }
}
