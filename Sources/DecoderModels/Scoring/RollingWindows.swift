/// Cuts a row that is longer than the model's window so that every token is scored once, with as much context as fits:
/// the rolling windows of lm-evaluation-harness (`get_rolling_token_windows`, context 1, made disjoint).
package enum RollingWindows {
    /// The sequences to score for one row; a row that fits is one sequence.
    ///
    /// - Parameters:
    ///   - ids: [T] token ids.
    ///   - labels: [T] unshifted labels, -100 where a token is not scored.
    ///   - limit: most tokens of a sequence, at least 2.
    package static func sequences(ids: [Int32], labels: [Int32], limit: Int, rowIdentifier: Int32) -> [SequenceInput] {
        guard ids.count > limit else {
            return [SequenceInput(ids: ids, labels: labels, rowIdentifier: rowIdentifier)]
        }
        // Token i > 0 is predicted from the tokens before it: inputs are ids[0..<T-1], predictions ids[1..<T].
        var sequences: [SequenceInput] = []
        var predicted = 1
        while predicted < ids.count {
            let count = min(limit, ids.count - predicted)
            let end = predicted + count
            // A short last window keeps as many tokens of context as the limit allows.
            let start = max(0, end - 1 - limit)
            let window = Array(ids[start..<end - 1])
            var targets = [Int32](repeating: -100, count: window.count)
            for token in predicted..<end { targets[token - 1 - start] = labels[token] }
            var sequence = SequenceInput(ids: window, labels: window, rowIdentifier: rowIdentifier)
            sequence.targets = targets
            sequences.append(sequence)
            predicted = end
        }
        return sequences
    }
}
