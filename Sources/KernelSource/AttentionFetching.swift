internal import CIntrinsics

// Rows of a head lie far apart, so that no prefetcher of the processor follows them. Those that a turn's end or the next
// turn's beginning wants are fetched while the turn's last products run: a few behind each tile, so that loads that are
// waited for find room.

/// Which rows to fetch during a block of keys: from `first` on, `ofTile` behind each tile of scores. Early blocks have
/// none: what they fetched could be gone when it is wanted.
@inline(__always)
func rowsToFetch(firstPosition: Int, rows: Int, firstKey: Int, window: Int) -> (first: Int, ofTile: Int) {
    let end = firstPosition &+ rows
    let left = (end &- firstKey &+ keyBlock &- 1) / keyBlock
    let firstBlock = firstKeyOfTurn(firstPosition: firstPosition, window: window) / keyBlock
    let blocks = min(3, (end &+ keyBlock &- 1) / keyBlock &- firstBlock)
    guard left <= blocks else { return (queryBlock, 0) }
    // A block below the diagonal has 24 tiles of 12 keys and 32 queries, one on it 17; together they must reach 96 rows.
    let ofTile = (6 &+ blocks &- 1) / blocks
    return ((blocks &- left) &* 24 &* ofTile, ofTile)
}

/// Brings a row of a head into the second-level cache.
@inline(__always)
func fetchRow(_ rows: UnsafePointer<Float>, stride: Int64, row: Int, width: Int) {
    let start = rows + row &* Int(stride)
    var column = 0
    while column < width {
        qk_prefetch_second_level(start + column)
        column &+= 16
    }
}
