package import Adapters
package import Kernels

/// One row of training data as a pass sees it.
package struct SequenceInput: Sendable {
    /// [T] token ids.
    package var ids: [Int32]
    /// [T]: what each token should predict (labels shifted by one), or -100. The last is always -100.
    package var targets: [Int32]
    /// The index of the row among the rows of the optimizer step.
    package var rowIdentifier: Int32

    /// - Parameters:
    ///   - ids: [T] token ids.
    ///   - labels: [T] unshifted labels as transformers has them, -100 where a token is not supervised.
    ///   - rowIdentifier: the index of the row in its optimizer step.
    package init(ids: [Int32], labels: [Int32], rowIdentifier: Int32) {
        guard ids.count == labels.count, !ids.isEmpty else {
            fatalError("a sequence has \(ids.count) ids and \(labels.count) labels")
        }
        self.ids = ids
        targets = Array(labels.dropFirst()) + [-100]
        self.rowIdentifier = rowIdentifier
    }

    /// Tokens that enter the loss.
    package var supervisedCount: Int { targets.count { $0 != -100 } }
}

/// The sequences of one micro-batch, laid out behind each other.
package final class TokenBatch {
    package let ids: [Int32]
    package let targets: [Int32]
    package let segments: [Segment]
    private let positions: [Int32]
    private let rowIdentifiers: [Int32]

    package init(_ sequences: [SequenceInput]) {
        var ids: [Int32] = [], targets: [Int32] = [], positions: [Int32] = [], rows: [Int32] = []
        var segments: [Segment] = []
        for sequence in sequences {
            segments.append(Segment(start: Int32(ids.count), count: Int32(sequence.ids.count)))
            ids += sequence.ids
            targets += sequence.targets
            positions += 0..<Int32(sequence.ids.count)
            rows += Array(repeating: sequence.rowIdentifier, count: sequence.ids.count)
        }
        self.ids = ids
        self.targets = targets
        self.segments = segments
        self.positions = positions
        rowIdentifiers = rows
    }

    package var count: Int { ids.count }

    /// Lends the layout to a pass.
    package func withLayout<Result>(dropout: DropoutStream?, _ body: (TokenLayout) throws -> Result) rethrows -> Result
    {
        try segments.withUnsafeBufferPointer { segments in
            try positions.withUnsafeBufferPointer { positions in
                try rowIdentifiers.withUnsafeBufferPointer { rows in
                    guard let positions = positions.baseAddress, let rows = rows.baseAddress else {
                        fatalError("a micro-batch has no tokens")
                    }
                    return try body(
                        TokenLayout(
                            count: count, segments: segments, positions: positions, rowIdentifiers: rows,
                            dropoutStream: dropout))
                }
            }
        }
    }
}
