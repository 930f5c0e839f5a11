/// Extended grapheme clusters (Unicode Standard Annex 29), as the standard library cuts them.
enum Graphemes {
    /// Where the cluster that begins at `index` ends. Linear over a whole text: a look costs as much as the cluster.
    static func end(_ bytes: UnsafeBufferPointer<UInt8>, from index: Int) -> Int {
        let first = bytes[index]
        let isLast = index + 1 == bytes.count
        // ASCII before ASCII stands alone, but for a carriage return before a line feed.
        if first < 0x80, isLast || bytes[index + 1] < 0x80 {
            return !isLast && first == 0x0D && bytes[index + 1] == 0x0A ? index + 2 : index + 1
        }
        // The cluster is certain once a scalar after it is in view. A string of 15 bytes needs no allocation.
        var size = 15
        while true {
            var limit = min(bytes.count, index + size)
            while limit < bytes.count, bytes[limit] & 0xC0 == 0x80 { limit -= 1 }
            let view = String(decoding: UnsafeBufferPointer(rebasing: bytes[index..<limit]), as: UTF8.self)
            let count = view.utf8.distance(from: view.startIndex, to: view.index(after: view.startIndex))
            if index + count < limit || limit == bytes.count { return index + count }
            size *= 4
        }
    }
}
