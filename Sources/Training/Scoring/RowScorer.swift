package import Datasets
package import DecoderModels
package import Kernels
package import System
package import Tensors

/// Losses of rows of data, several short ones at a time; a row longer than the limit in rolling windows.
package struct RowScorer {
    private let rows: [TrainingRow]
    private let limit: Int
    private let pass: ScoringPass
    private let windows: [[SequenceInput]]

    /// Tokens that share a pass where rows are short.
    private static let sharedTokens = 512

    /// - Parameters:
    ///   - rows: what to score: every label other than -100 after the first.
    ///   - limit: most tokens the model sees at once.
    package init(_ model: DecoderModel, rows: [TrainingRow], limit: Int, context: ComputeContext) {
        self.rows = rows
        self.limit = limit
        windows = Self.windows(of: rows, limit: limit)
        let longest = windows.reduce(1) { max($0, $1.map(\.ids.count).max() ?? 1) }
        pass = ScoringPass(model, capacity: max(longest, min(Self.sharedTokens, limit)), context: context)
    }

    /// The sequences each row is scored in: itself, or its rolling windows.
    package static func windows(of rows: [TrainingRow], limit: Int) -> [[SequenceInput]] {
        rows.map { RollingWindows.sequences(ids: $0.ids, labels: $0.labels, limit: limit, rowIdentifier: 0) }
    }

    /// Rows that are longer than the limit.
    package var windowedRowCount: Int { windows.count { $0.count > 1 } }

    /// Bytes of the pass.
    package var byteCount: Int { pass.plan.byteCount }

    /// Scores every row in order.
    ///
    /// - Parameters:
    ///   - interruption: called before each pass; throws where the work must stop.
    ///   - logits: called with the logits of scored tokens, row index and the positions of the tokens in the row.
    ///   - body: called with each row's index and the losses of its scored tokens in order.
    package func run(
        interruption: () throws(Failure) -> Void,
        logits: ((FloatMatrix, _ row: Int, _ positions: [Int]) -> Void)? = nil,
        _ body: (Int, [Float]) throws(Failure) -> Void
    ) throws(Failure) {
        var row = 0
        while row < rows.count {
            var end = row + 1
            var tokens = windows[row].count == 1 ? windows[row][0].ids.count : pass.capacity
            while end < rows.count, windows[end].count == 1, tokens + windows[end][0].ids.count <= pass.capacity {
                tokens += windows[end][0].ids.count
                end += 1
            }
            for (index, losses) in try score(row..<end, interruption, logits).enumerated() {
                try body(row + index, losses)
            }
            row = end
        }
    }

    /// The losses of rows that share a pass, or of one row window by window.
    private func score(
        _ range: Range<Int>, _ interruption: () throws(Failure) -> Void,
        _ logits: ((FloatMatrix, _ row: Int, _ positions: [Int]) -> Void)?
    ) throws(Failure) -> [[Float]] {
        if range.count > 1 || windows[range.lowerBound].count == 1 {
            try interruption()
            return losses(of: range.map { windows[$0][0] }, firstRow: range.lowerBound, logits)
        }
        var all: [Float] = []
        for window in windows[range.lowerBound] {
            try interruption()
            all += losses(of: [window], firstRow: range.lowerBound, nil)[0]
        }
        return [all]
    }

    private func losses(
        of sequences: [SequenceInput], firstRow: Int,
        _ logits: ((FloatMatrix, _ row: Int, _ positions: [Int]) -> Void)?
    ) -> [[Float]] {
        guard let logits else {
            return split(pass.run(TokenBatch(sequences)), as: sequences.map(\.targets), isScored: { $0 != -100 })
        }
        // Logits are wanted at every position: those without a target get one, and their losses are dropped.
        let complete = sequences.map { sequence in
            var copy = sequence
            copy.targets = sequence.targets.map { max($0, 0) }
            return copy
        }
        let batch = TokenBatch(complete)
        let flat = pass.run(batch) { matrix, tokens in
            for (index, segment) in batch.segments.enumerated() {
                let start = Int(segment.start), end = start + Int(segment.count)
                let own = tokens.enumerated().filter { $0.element >= start && $0.element < end }
                guard let first = own.first?.offset, let last = own.last?.offset else { continue }
                logits(matrix.rows(first..<last + 1), firstRow + index, own.map { $0.element - start })
            }
        }
        return zip(split(flat, as: sequences.map(\.targets), isScored: { _ in true }), sequences).map { all, sequence in
            zip(all, sequence.targets).filter { $0.1 != -100 }.map(\.0)
        }
    }

    /// Cuts losses that follow each other into those of each sequence.
    private func split(_ flat: [Float], as targets: [[Int32]], isScored: (Int32) -> Bool) -> [[Float]] {
        var next = 0
        return targets.map { targets in
            let count = targets.count(where: isScored)
            defer { next += count }
            return Array(flat[next..<next + count])
        }
    }
}

extension EvaluationSummary {
    /// Adds the losses of a row's scored tokens, token after token.
    package mutating func add(_ losses: [Float], textByteCount: Int?) {
        add(loss: losses.reduce(0) { $0 + Double($1) }, tokens: losses.count, textByteCount: textByteCount)
    }
}
