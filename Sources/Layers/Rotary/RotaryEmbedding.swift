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

    private struct Table {
        /// Positions the table covers.
        var positions: Int
        var cosines: [Float]
        var sines: [Float]
    }

    package init(scheme: any RotaryScheme, headWidth: Int, width: Int, pairing: RotaryPairing = .halves) {
        self.scheme = scheme
        self.pairing = pairing
        self.headWidth = headWidth
        self.width = width
    }

    /// Rotates x [M, heads·D] in place; rows of `segments` belong to sequences that begin at position 0 unless
    /// `positions` says otherwise. `inverse` rotates back, which is the gradient.
    ///
    /// - Parameters:
    ///   - positions: [M], the position of each row in its sequence.
    ///   - segments: the rows of each sequence.
    ///   - lengths: the length that each segment's frequencies are chosen by.
    package func rotate(
        _ x: FloatMatrix, heads: Int, positions: UnsafePointer<Int32>, segments: UnsafeBufferPointer<Segment>,
        lengths: (Segment) -> Int, inverse: Bool, _ context: ComputeContext
    ) {
        let longest = segments.reduce(1) { max($0, lengths($1)) }
        if scheme.frequencySet(length: longest) == 0 {
            apply(x, heads: heads, positions: positions, length: longest, key: 0, inverse: inverse, context)
            return
        }
        for segment in segments {
            let start = Int(segment.start), count = Int(segment.count)
            let length = lengths(segment)
            apply(
                x.rows(start..<start + count), heads: heads, positions: positions + start, length: length,
                key: scheme.frequencySet(length: length), inverse: inverse, context)
        }
    }

    private func apply(
        _ x: FloatMatrix, heads: Int, positions: UnsafePointer<Int32>, length: Int, key: Int, inverse: Bool,
        _ context: ComputeContext
    ) {
        extend(key: key, length: length)
        guard let table = tables[key] else { fatalError("a rotary table was not built") }
        table.cosines.withUnsafeBufferPointer { cosines in
            table.sines.withUnsafeBufferPointer { sines in
                guard let cosines = cosines.baseAddress, let sines = sines.baseAddress else { return }
                context.rotate(
                    x, heads: heads, headWidth: headWidth, rotaryWidth: width, pairing: pairing, positions: positions,
                    cosines: cosines, sines: sines, inverse: inverse)
            }
        }
    }

    /// Makes the table of a key cover `length` positions.
    private func extend(key: Int, length: Int) {
        guard length > tables[key]?.positions ?? 0 else { return }
        // Growing by half again keeps token-by-token generation linear.
        let positions = max(length, (tables[key]?.positions ?? 0) * 3 / 2)
        let frequencies = scheme.inverseFrequencies(length: key == 0 ? 1 : length), scaling = scheme.attentionScaling
        var cosines = [Float](repeating: 0, count: positions * frequencies.count)
        var sines = cosines
        for position in 0..<positions {
            for (index, frequency) in frequencies.enumerated() {
                let value = cosineAndSine(Float(position) * frequency)
                cosines[position * frequencies.count + index] = value.cosine * scaling
                sines[position * frequencies.count + index] = value.sine * scaling
            }
        }
        tables[key] = Table(positions: positions, cosines: cosines, sines: sines)
    }
}
