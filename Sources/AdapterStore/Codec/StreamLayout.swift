/// Which tensors are compressed together, and in which pieces. Follows from names, roles, order and sizes alone.
///
/// Neighbouring small tensors of one role form a group, so that the ratio holds for tensors of a few hundred bytes; a
/// large tensor is a group of its own. A group is cut into chunks of nearly equal size.
struct StreamLayout: Sendable {
    /// Most elements of a chunk: a plane of one has 256 KiB.
    static let chunkLimit = 1 << 18
    /// A group that has this many elements takes no further tensor.
    static let groupLimit = 1 << 16

    /// A part of a group, in elements of the group.
    struct Chunk: Sendable {
        let start: Int
        let count: Int
    }

    struct Group: Sendable {
        let role: StreamRole
        /// Streams of the file by index, one behind the other.
        var members: [Int] = []
        /// Where each member begins, in elements.
        var starts: [Int] = []
        var count = 0
        var chunks: [Chunk] = []

        /// The pieces of members that a chunk consists of: member, elements of the member, position in the chunk.
        func forEachPiece(of chunk: Chunk, _ body: (Int, Range<Int>, Int) -> Void) {
            let end = chunk.start + chunk.count
            var index = max(0, starts.partitioningIndex { $0 > chunk.start } - 1)
            while index < members.count, starts[index] < end {
                let start = starts[index], memberEnd = index + 1 < starts.count ? starts[index + 1] : count
                let lower = max(start, chunk.start), upper = min(memberEnd, end)
                if lower < upper { body(members[index], lower - start..<upper - start, lower - chunk.start) }
                index += 1
            }
        }
    }

    private(set) var groups: [Group] = []

    /// The layout of streams; those with an entry in `copyOf` are stored as another one.
    init(_ streams: [CheckpointStream], copyOf: [Int?]) {
        for (index, stream) in streams.enumerated() where copyOf[index] == nil {
            let isOpen = groups.last.map { group in
                group.role == stream.role && group.count < Self.groupLimit && stream.values.count < Self.groupLimit
            }
            if isOpen != true { groups.append(Group(role: stream.role)) }
            let last = groups.count - 1
            groups[last].members.append(index)
            groups[last].starts.append(groups[last].count)
            groups[last].count += stream.values.count
        }
        for index in groups.indices { groups[index].chunks = Self.chunks(groups[index].count) }
    }

    private static func chunks(_ count: Int) -> [Chunk] {
        let chunkCount = (count + chunkLimit - 1) / chunkLimit
        return (0..<chunkCount).map { index in
            let start = count * index / chunkCount, end = count * (index + 1) / chunkCount
            return Chunk(start: start, count: end - start)
        }
    }
}

extension Array {
    /// The first index whose element satisfies a condition that all later ones satisfy too; `count` if none does.
    func partitioningIndex(_ condition: (Element) -> Bool) -> Int {
        var low = 0, high = count
        while low < high {
            let middle = low + (high - low) / 2
            if condition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
