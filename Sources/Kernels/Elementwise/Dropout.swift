package import Tensors
internal import CIntrinsics

/// What a dropout pattern is a function of, beside the row, its position and the column.
package struct DropoutKey: Sendable, Equatable {
    /// The seed of the run.
    package let seed: UInt64
    /// The optimizer step.
    package let step: Int
    /// The place in the model: one number for each dropout in it.
    package let site: Int

    package init(seed: UInt64, step: Int, site: Int) {
        self.seed = seed
        self.step = step
        self.site = site
    }

    /// The key of the generator: seed and step through the finalizer of SplitMix64 (Steele et al., 2014), so that
    /// neighbouring seeds and steps have unrelated keys.
    var mixed: UInt64 {
        func finalized(_ value: UInt64) -> UInt64 {
            var z = value
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        return finalized(finalized(seed &+ 0x9E37_79B9_7F4A_7C15) &+ UInt64(bitPattern: Int64(step)))
    }
}

extension ComputeContext {
    /// y = kept ? x / (1 - rate) : 0, both [M, N]; y may be x. The same call on dY is the gradient.
    ///
    /// Whether an element is kept is a function of (seed, step, site, row identifier, position, column) alone, drawn with
    /// Philox4x32-10: it does not depend on how rows are batched, cut, recomputed or spread over threads.
    ///
    /// - Parameters:
    ///   - rate: the probability of dropping an element, from 0 below 1.
    ///   - rowIdentifiers: [M], the data row that each row of x belongs to, the same in every epoch and micro-batch.
    ///   - positions: [M], the position inside the data row.
    package func dropout(
        _ x: FloatMatrix, rate: Float, key: DropoutKey, rowIdentifiers: UnsafePointer<Int32>,
        positions: UnsafePointer<Int32>, into y: FloatMatrix
    ) {
        requireSameShape(x, y)
        guard rate >= 0 && rate < 1 else { fatalError("a dropout rate of \(rate) is not in [0, 1)") }
        guard rate > 0 else {
            if x.base != y.base { copy(x, into: y) }
            return
        }
        let mixed = key.mixed
        let site = UInt32(truncatingIfNeeded: key.site)
        // Below 2^32 because the rate is at most 1 - 2^-24.
        let threshold = UInt32(Double(rate) * 4_294_967_296)
        let table = kernels.elementwise
        nonisolated(unsafe) let (rowIdentifiers, positions) = (rowIdentifiers, positions)  // read only
        forEachRowRange(rows: x.rows, columns: x.columns) { rows in
            for row in rows {
                var parameters = qk_dropout(
                    key_low: UInt32(truncatingIfNeeded: mixed), key_high: UInt32(truncatingIfNeeded: mixed >> 32),
                    row: UInt32(bitPattern: rowIdentifiers[row]), position: UInt32(bitPattern: positions[row]),
                    site: site, threshold: threshold, scale: 1 / (1 - rate))
                table.dropout(x.row(row), y.row(row), Int64(x.columns), &parameters)
            }
        }
    }
}
