package import Kernels

/// Which sequence, position and data row each row of the activations belongs to.
///
/// Activations of a micro-batch are one matrix [M, C]: its sequences follow each other without padding.
package struct TokenLayout: @unchecked Sendable {
    // Unchecked: read-only while a pass runs.

    /// M, tokens of all sequences.
    package let count: Int
    /// The rows of each sequence, in data order.
    package let segments: UnsafeBufferPointer<Segment>
    /// [M], the position of each token in its sequence.
    package let positions: UnsafePointer<Int32>
    /// [M], the index of each token's sequence among the rows of the optimizer step.
    package let rowIdentifiers: UnsafePointer<Int32>
    /// What dropout draws from; nil outside training.
    package let dropoutStream: DropoutStream?

    package init(
        count: Int, segments: UnsafeBufferPointer<Segment>, positions: UnsafePointer<Int32>,
        rowIdentifiers: UnsafePointer<Int32>, dropoutStream: DropoutStream?
    ) {
        self.count = count
        self.segments = segments
        self.positions = positions
        self.rowIdentifiers = rowIdentifiers
        self.dropoutStream = dropoutStream
    }
}

/// The part of a dropout key that is the same for a whole optimizer step: masks are a function of
/// (seed, step, site, row, position, channel), so they do not depend on how rows are batched or recomputed.
package struct DropoutStream: Sendable {
    package let seed: UInt64
    package let step: Int

    package init(seed: UInt64, step: Int) {
        self.seed = seed
        self.step = step
    }
}
