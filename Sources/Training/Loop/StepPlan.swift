/// Which rows each optimizer step sees: epochs are cut into groups of `rowsPerStep`, the last of an epoch may be
/// shorter and is not carried over (as the Hugging Face trainer does).
package struct StepPlan: Sendable {
    package let rowCount: Int
    package let rowsPerStep: Int
    /// Optimizer steps of the run.
    package let totalSteps: Int

    package init(rowCount: Int, settings: TrainingSettings) {
        self.rowCount = rowCount
        rowsPerStep = settings.rowsPerStep
        let perEpoch = max(1, (rowCount + settings.rowsPerStep - 1) / settings.rowsPerStep)
        totalSteps = settings.maximumSteps ?? max(1, Int((settings.epochs * Double(perEpoch)).rounded(.up)))
    }

    package var stepsPerEpoch: Int { max(1, (rowCount + rowsPerStep - 1) / rowsPerStep) }

    /// The epoch of a step, both counted from 0.
    package func epoch(ofStep step: Int) -> Int { step / stepsPerEpoch }

    /// Epochs done after a step.
    package func epochsDone(afterStep step: Int) -> Double { Double(step + 1) / Double(stepsPerEpoch) }

    /// Positions in the epoch's order of the rows of a step.
    package func positions(ofStep step: Int) -> Range<Int> {
        let start = step % stepsPerEpoch * rowsPerStep
        return start..<min(start + rowsPerStep, rowCount)
    }
}

/// Cuts a step's rows into micro-batches, in data order. The cut changes no result: losses and gradients are added up
/// row after row.
package enum MicroBatches {
    /// Ranges of `lengths` that go through the model together.
    ///
    /// - Parameters:
    ///   - lengths: tokens of each row of the step.
    ///   - rows: most rows of a micro-batch where `tokens` is nil.
    ///   - tokens: where given, rows share a micro-batch up to this many tokens, however many rows that are.
    package static func cut(lengths: [Int], rows: Int, tokens: Int?) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0, sum = 0
        for (index, length) in lengths.enumerated() {
            let isFull = tokens.map { sum + length > $0 } ?? (index - start >= rows)
            if index > start, isFull {
                ranges.append(start..<index)
                start = index
                sum = 0
            }
            sum += length
        }
        if start < lengths.count { ranges.append(start..<lengths.count) }
        return ranges
    }

    /// The most tokens that any micro-batch can have, whatever the order of the rows.
    package static func capacity(lengths: [Int], settings: TrainingSettings) -> Int {
        let longest = lengths.max() ?? 1
        let sorted = lengths.sorted(by: >)
        let step = sorted.prefix(settings.rowsPerStep).reduce(0, +)
        guard settings.packing else { return max(longest, sorted.prefix(settings.batchSize).reduce(0, +)) }
        return max(longest, min(step, settings.batchSize * settings.maximumLength))
    }
}
