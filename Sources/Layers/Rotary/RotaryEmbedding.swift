package import Kernels
package import Tensors

/// Rotates queries and keys by their positions: (x₁, x₂) → (x₁·cos − x₂·sin, x₂·cos + x₁·sin) for each pair of channels.
///
/// Tables of cosines and sines grow as longer sequences come; a scheme whose frequencies depend on the length gets a
/// table for each set of frequencies it meets.
package final class RotaryEmbedding {
    package let headWidth: Int
    /// Channels of a head that are rotated; the others pass.
    package let width: Int
    private let pairing: RotaryPairing
    private let scheme: any RotaryScheme
    /// The table for each set of frequencies.
    private var tables: [Int: Table] = [:]

    /// Passes hold on to the table they read, which another replaces when longer sequences come.
    private final class Table: @unchecked Sendable {
        // Unchecked: written by `init` alone.

        /// Positions the table covers.
        let positions: Int
        /// [positions, width / 2] each.
        let cosines, sines: UnsafePointer<Float>
        private let memory: AlignedMemory

        init(positions: Int, frequencies: [Float], scaling: Float) {
            let count = positions * frequencies.count
            memory = AlignedMemory(byteCount: 2 * count * MemoryLayout<Float>.stride)
            let cosines = memory.floats, sines = cosines + count
            for position in 0..<positions {
                for (index, frequency) in frequencies.enumerated() {
                    let value = cosineAndSine(Float(position) * frequency)
                    cosines[position * frequencies.count + index] = value.cosine * scaling
                    sines[position * frequencies.count + index] = value.sine * scaling
                }
            }
            self.positions = positions
            self.cosines = UnsafePointer(cosines)
            self.sines = UnsafePointer(sines)
        }
    }

    package init(scheme: any RotaryScheme, headWidth: Int, width: Int, pairing: RotaryPairing = .halves) {
        self.scheme = scheme
        self.pairing = pairing
        self.headWidth = headWidth
        self.width = width
    }

    /// The pass that rotates x [M, heads·D] in place; rows of `segments` belong to sequences that begin at position 0 unless
    /// `positions` says otherwise. `inverse` rotates back, which is the gradient.
    ///
    /// - Parameters:
    ///   - positions: [M], the position of each row in its sequence.
    ///   - segments: the rows of each sequence.
    ///   - lengths: the length that each segment's frequencies are chosen by.
    /// - Returns: nil where there are no rows.
    package func rotate(
        _ x: FloatMatrix, heads: Int, positions: UnsafePointer<Int32>, segments: UnsafeBufferPointer<Segment>,
        lengths: (Segment) -> Int, inverse: Bool, _ context: ComputeContext
    ) -> RowPass? {
        func pass(_ x: FloatMatrix, _ positions: UnsafePointer<Int32>, length: Int) -> RowPass {
            let table = table(key: scheme.frequencySet(length: length), length: length)
            return context.rotate(
                x, heads: heads, headWidth: headWidth, rotaryWidth: width, pairing: pairing, positions: positions,
                cosines: table.cosines, sines: table.sines, inverse: inverse
            ).holding(table)
        }
        let longest = segments.reduce(1) { max($0, lengths($1)) }
        if scheme.frequencySet(length: longest) == 0 { return pass(x, positions, length: longest) }
        return RowPass.joined(
            rows: x.rows,
            segments.map { segment in
                let start = Int(segment.start), rows = start..<start + Int(segment.count)
                return (rows, pass(x.rows(rows), positions + start, length: lengths(segment)))
            })
    }

    /// The table of a key, covering `length` positions.
    private func table(key: Int, length: Int) -> Table {
        let known = tables[key]
        if let known, known.positions >= length { return known }
        // Growing by half again keeps token-by-token generation linear.
        let table = Table(
            positions: max(length, (known?.positions ?? 0) * 3 / 2),
            frequencies: scheme.inverseFrequencies(length: key == 0 ? 1 : length), scaling: scheme.attentionScaling)
        tables[key] = table
        return table
    }
}
