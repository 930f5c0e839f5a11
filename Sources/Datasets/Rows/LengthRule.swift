package import System

/// What happens to a row with more tokens than a sequence may have: `--overlong`.
package enum OverlongRule: String, Sendable, CaseIterable {
    /// Refuse it.
    case error
    /// Keep its first tokens.
    case truncate
    /// Leave it out.
    case drop
    /// Cut it into rows of the largest length, the last one shorter; nothing overlaps.
    case split
}

/// The largest number of tokens of a row and what happens beyond it.
package struct LengthRule: Sendable {
    /// nil accepts every length.
    package var maximumLength: Int?
    package var overlong: OverlongRule

    package init(maximumLength: Int?, overlong: OverlongRule = .error) {
        self.maximumLength = maximumLength
        self.overlong = overlong
    }

    /// Checks the value.
    ///
    /// - Throws: `usage` for a length below 2: a token is predicted from at least one before it.
    package func validate() throws(Failure) {
        if let maximumLength, maximumLength < 2 {
            throw Failure(.usage, "--max-length is \(maximumLength): 2 or more is expected")
        }
    }

    /// The ranges of tokens that a row is cut into, empty where it is left out.
    func parts(of tokens: RowTokens, row: DataRow) throws(Failure) -> [Range<Int>] {
        let count = tokens.ids.count
        guard let maximumLength, count > maximumLength else { return [0..<count] }
        switch overlong {
        case .truncate: return [0..<maximumLength]
        case .drop: return []
        case .split:
            return stride(from: 0, to: count, by: maximumLength).map { $0..<min($0 + maximumLength, count) }
        case .error:
            throw row.failure(
                "the row has \(count) tokens, more than the maximum length of \(maximumLength)",
                remedy: "Raise --max-length, or choose --overlong truncate, drop or split")
        }
    }
}
