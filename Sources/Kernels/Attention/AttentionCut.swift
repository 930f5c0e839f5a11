internal import CIntrinsics

/// How attention over one segment is cut for one key/value head: into turns, each some query rows of one query head, and
/// blocks of keys. It depends on the segment's length and the shape alone.
///
/// The last query rows come first, for all query heads that share the key/value head, since their turns are the longest.
package struct AttentionCut: Sendable {
    /// Rows of the segment.
    package let rows: Int
    private let queryRows = Int(QK_ATTENTION_QUERIES)
    private let groupSize: Int
    private let window: Int
    private let keyRows = Int(QK_ATTENTION_KEYS)

    package init(rows: Int, shape: AttentionShape) {
        self.rows = rows
        groupSize = shape.groupSize
        window = min(shape.window ?? rows, rows)
    }

    private var queryBlocks: Int { (rows + queryRows - 1) / queryRows }

    package var turnCount: Int { queryBlocks * groupSize }

    package var keyBlockCount: Int { (rows + keyRows - 1) / keyRows }

    /// The rows of a turn.
    package func queries(_ turn: Int) -> Range<Int> {
        let first = queryBlock(turn) * queryRows
        return first..<min(first + queryRows, rows)
    }

    /// Which of the heads that share the key/value head.
    package func head(_ turn: Int) -> Int { turn % groupSize }

    /// The rows of a block of keys.
    package func keys(_ block: Int) -> Range<Int> { block * keyRows..<min((block + 1) * keyRows, rows) }

    /// The blocks that hold keys which the rows of a turn see.
    package func keyBlocks(_ turn: Int) -> Range<Int> {
        let queries = queries(turn)
        return max(0, queries.lowerBound - window + 1) / keyRows..<(queries.upperBound + keyRows - 1) / keyRows
    }

    /// How many turns that see keys of the block come before a turn that does.
    package func turnsBefore(_ turn: Int, at block: Int) -> Int {
        let last = min(rows, keys(block).upperBound + window - 1) - 1
        return (last / queryRows - queryBlock(turn)) * groupSize + head(turn)
    }

    /// Whether no later turn sees keys of the block.
    package func isLast(_ turn: Int, at block: Int) -> Bool {
        queryBlock(turn) == keys(block).lowerBound / queryRows && head(turn) == groupSize - 1
    }

    private func queryBlock(_ turn: Int) -> Int { queryBlocks - 1 - turn / groupSize }
}
