/// A row of training data as the model sees it.
package struct TrainingRow: Sendable, Equatable {
    /// The label of a token that is not supervised.
    package static let ignored: Int32 = -100

    /// Token ids.
    package var ids: [Int32]
    /// One label for each id, not shifted: the id itself where it is supervised, -100 where not. The model predicts
    /// label i from the tokens before i, so that the first label never counts.
    package var labels: [Int32]
    /// Index of the row's file among those that were given.
    package var sourceFile: Int
    /// Line of the file, from 1, on which the row begins.
    package var sourceLine: Int
    /// UTF-8 bytes of the text of the supervised tokens, nil where the row came without text.
    package var textByteCount: Int?
    /// For each token of a conversation whether its text is the template's own; nil for other rows.
    package var isTemplate: [Bool]?

    package init(
        ids: [Int32], labels: [Int32], sourceFile: Int = 0, sourceLine: Int, textByteCount: Int? = nil,
        isTemplate: [Bool]? = nil
    ) {
        self.ids = ids
        self.labels = labels
        self.sourceFile = sourceFile
        self.sourceLine = sourceLine
        self.textByteCount = textByteCount
        self.isTemplate = isTemplate
    }

    /// Tokens that a loss is computed for: labels after the first that are not -100.
    package var supervisedTokenCount: Int { Self.supervisedTokenCount(labels[...]) }

    /// Labels of a row or of a part of one that a loss is computed for.
    static func supervisedTokenCount(_ labels: ArraySlice<Int32>) -> Int {
        labels.dropFirst().reduce(into: 0) { count, label in count += label == ignored ? 0 : 1 }
    }
}
