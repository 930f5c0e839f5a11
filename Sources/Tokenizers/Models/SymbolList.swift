/// The symbols of a word on their way through the merges.
///
/// Always the merge of lowest rank happens next, the leftmost of equals. Short words look for it in a list; long ones
/// keep a heap over a linked list, n log n in the length.
struct SymbolList: Sendable {
    /// Words of at most this many symbols are searched instead of heaped.
    private static let shortWord = 24
    private static let noMerge = UInt64.max

    private var ids: [Int32] = []
    private var lengths: [Int32] = []
    /// The merge of each symbol with the next, of a short word.
    private var pairs: [UInt64] = []

    var count: Int { ids.count }

    /// Empties the list for the next word.
    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    mutating func append(_ id: Int32, _ length: Int32) {
        ids.append(id)
        lengths.append(length)
    }

    /// Merges everything that merges and appends what is left.
    mutating func merge(_ merges: MergeTable, _ output: inout TokenBuffer) {
        if ids.count <= Self.shortWord { mergeShort(merges) } else { mergeLong(merges) }
        output.ids.append(contentsOf: ids)
        output.lengths.append(contentsOf: lengths)
    }

    private mutating func mergeShort(_ merges: MergeTable) {
        guard ids.count > 1 else { return }
        pairs.removeAll(keepingCapacity: true)
        for index in 0..<ids.count - 1 { pairs.append(merges.find(ids[index], ids[index + 1]) ?? Self.noMerge) }
        while true {
            var best = Self.noMerge, position = 0
            // Several merges may have one rank: then the leftmost is first.
            for index in pairs.indices where pairs[index] >> 32 < best >> 32 {
                best = pairs[index]
                position = index
            }
            guard best != Self.noMerge else { return }
            ids[position] = Int32(truncatingIfNeeded: best)
            lengths[position] += lengths[position + 1]
            ids.remove(at: position + 1)
            lengths.remove(at: position + 1)
            pairs.remove(at: position)
            if position > 0 { pairs[position - 1] = merges.find(ids[position - 1], ids[position]) ?? Self.noMerge }
            if position < pairs.count {
                pairs[position] = merges.find(ids[position], ids[position + 1]) ?? Self.noMerge
            }
        }
    }

    /// Entries of the heap are rank and position; one is stale if the pair that stands there now makes another id. A
    /// symbol merged away has length 0.
    private mutating func mergeLong(_ merges: MergeTable) {
        let count = ids.count
        var next = [Int32](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count { buffer[index] = Int32(truncatingIfNeeded: index + 1) }
            initialized = count
        }
        var previous = [Int32](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count { buffer[index] = Int32(truncatingIfNeeded: index - 1) }
            initialized = count
        }
        var found: [UInt64] = []
        for index in 0..<count - 1 {
            if let merge = merges.find(ids[index], ids[index + 1]) {
                found.append(MergeHeap.key(rank: UInt32(merge >> 32), position: index))
            }
        }
        var heap = MergeHeap(found)
        while let (rank, position) = heap.removeFirst() {
            guard lengths[position] > 0 else { continue }
            let right = Int(next[position])
            guard right < count, let merge = merges.find(ids[position], ids[right]),
                merges.isCurrent(merge, rank: rank)
            else { continue }
            ids[position] = Int32(truncatingIfNeeded: merge)
            lengths[position] += lengths[right]
            lengths[right] = 0
            next[position] = next[right]
            let after = Int(next[right])
            if after < count { previous[after] = Int32(truncatingIfNeeded: position) }
            let before = Int(previous[position])
            if before >= 0, let merge = merges.find(ids[before], ids[position]) {
                heap.insert(rank: UInt32(merge >> 32), position: before)
            }
            if after < count, let merge = merges.find(ids[position], ids[after]) {
                heap.insert(rank: UInt32(merge >> 32), position: position)
            }
        }
        var kept = 0
        for index in 0..<count where lengths[index] > 0 {
            ids[kept] = ids[index]
            lengths[kept] = lengths[index]
            kept += 1
        }
        ids.removeLast(count - kept)
        lengths.removeLast(count - kept)
    }
}

/// What models keep between words so that encoding one allocates nothing.
struct ModelScratch: Sendable {
    var words = WordCache()
    var symbols = SymbolList()
    var path = BestPath()
}

/// A queue of (rank, position), smallest first: what was there at the beginning in a sorted list, what came later in a
/// four-way heap.
private struct MergeHeap {
    private var initial: [UInt64] = []
    private var firstInitial = 0
    private var keys: [UInt64] = []

    init(_ initial: [UInt64]) { self.initial = initial.sorted() }

    @inline(__always)
    static func key(rank: UInt32, position: Int) -> UInt64 { UInt64(rank) << 32 | UInt64(position) }

    mutating func insert(rank: UInt32, position: Int) {
        let key = Self.key(rank: rank, position: position)
        var index = keys.count
        keys.append(key)
        keys.withUnsafeMutableBufferPointer { keys in
            while index > 0 {
                let parent = (index - 1) >> 2
                guard keys[parent] > key else { break }
                keys[index] = keys[parent]
                index = parent
            }
            keys[index] = key
        }
    }

    mutating func removeFirst() -> (rank: UInt32, position: Int)? {
        let first: UInt64
        if firstInitial < initial.count, keys.isEmpty || initial[firstInitial] < keys[0] {
            first = initial[firstInitial]
            firstInitial += 1
        } else {
            guard let smallest = keys.first, let last = keys.popLast() else { return nil }
            first = smallest
            if !keys.isEmpty { sink(last) }
        }
        return (UInt32(truncatingIfNeeded: first >> 32), Int(truncatingIfNeeded: first & 0xFFFF_FFFF))
    }

    /// Puts a key in place of the first one.
    private mutating func sink(_ key: UInt64) {
        keys.withUnsafeMutableBufferPointer { keys in
            var index = 0
            while true {
                let child = index << 2 + 1
                guard child < keys.count else { break }
                var smallest = child
                for other in child + 1..<max(child + 1, min(child + 4, keys.count)) where keys[other] < keys[smallest] {
                    smallest = other
                }
                guard keys[smallest] < key else { break }
                keys[index] = keys[smallest]
                index = smallest
            }
            keys[index] = key
        }
    }
}
