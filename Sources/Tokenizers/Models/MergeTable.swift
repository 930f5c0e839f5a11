internal import System

/// The merges of a BPE model: for two neighbouring ids, the rank of their merge and the id it makes.
struct MergeTable: Sendable {
    private struct Merge {
        var left: Int32
        var right: Int32
        var result: Int32
    }

    /// In order of rank.
    private let list: [Merge]
    private let table: PairTable

    /// Reads `["a b", …]` or `[["a", "b"], …]`; a later merge of the same pair replaces an earlier one.
    ///
    /// - Throws: `Failure` of kind `badData` naming the merge: one that is not two texts, or whose parts or result are
    ///   not in the vocabulary.
    init(_ values: [JSONValue], vocabulary: Vocabulary, source: ComponentSource) throws(Failure) {
        guard values.count <= 2 * Vocabulary.largestCount else {
            throw source.failure(
                .badData, "has \(values.count) merges; at most \(2 * Vocabulary.largestCount) are expected",
                key: "merges")
        }
        var list: [Merge] = []
        list.reserveCapacity(values.count)
        var joined: [UInt8] = []
        for (index, value) in values.enumerated() {
            if let text = value.string, text.utf8.starts(with: "#version".utf8) { continue }
            guard let leftCount = Self.join(value, into: &joined) else {
                throw source.failure(
                    .badData, "a merge is \"left right\" with one space, or [\"left\", \"right\"]",
                    key: "merges[\(index)]")
            }
            func id(_ range: Range<Int>, _ role: String) throws(Failure) -> Int32 {
                let id = joined.withUnsafeBufferPointer { vocabulary.id(UnsafeBufferPointer(rebasing: $0[range])) }
                guard let id else {
                    throw source.failure(
                        .badData,
                        "\(role) \"\(String(decoding: joined[range], as: UTF8.self))\" is not in the vocabulary",
                        key: "merges[\(index)]")
                }
                return id
            }
            list.append(
                Merge(
                    left: try id(0..<leftCount, "the left part"),
                    right: try id(leftCount..<joined.count, "the right part"),
                    result: try id(0..<joined.count, "the result")))
        }
        self.init(list)
    }

    private init(_ list: [Merge]) {
        var table = PairTable()
        for (rank, merge) in list.enumerated() {
            table.set(
                PairTable.key(merge.left, merge.right), UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merge.result)))
        }
        self.list = list
        self.table = table
    }

    /// Puts the two parts of a merge behind each other; the count of the left one, nil for anything but two texts.
    private static func join(_ value: JSONValue, into joined: inout [UInt8]) -> Int? {
        joined.removeAll(keepingCapacity: true)
        if let pair = value.array {
            guard pair.count == 2, let left = pair[0].string, let right = pair[1].string else { return nil }
            joined.append(contentsOf: left.utf8)
            joined.append(contentsOf: right.utf8)
            return left.utf8.count
        }
        guard let text = value.string else { return nil }
        joined.append(contentsOf: text.utf8)
        guard let space = joined.firstIndex(of: 0x20) else { return nil }
        joined.remove(at: space)
        return joined[space...].contains(0x20) ? nil : space
    }

    /// Rank in the upper half, resulting id in the lower; nil where the two do not merge.
    @inline(__always)
    func find(_ left: Int32, _ right: Int32) -> UInt64? { table.find(PairTable.key(left, right)) }

    /// The id that the merge of a rank makes.
    @inline(__always)
    func result(rank: UInt32) -> Int32 { list[Int(rank)].result }

    /// The table without merges that make one of these ids; nil where there is none.
    func withholding(_ ids: Set<Int32>) -> MergeTable? {
        guard list.contains(where: { ids.contains($0.result) }) else { return nil }
        return MergeTable(list.filter { !ids.contains($0.result) })
    }

    /// Every pair of characters that some merge brings together: last of its left part, first of its right part.
    ///
    /// Two neighbouring characters that are no such pair are never joined, whatever happens around them, so a text may
    /// be cut between them without changing its ids: the symbol that ends at the cut always ends with the one
    /// character, the symbol that begins there begins with the other.
    func junctions(_ vocabulary: Vocabulary, isByteLevel: Bool) -> PairTable {
        var ends: [(first: UInt32, last: UInt32)?] = []
        ends.reserveCapacity(vocabulary.idEnd)
        for id in 0..<Int32(vocabulary.idEnd) { ends.append(Self.characters(vocabulary, id, isByteLevel)) }
        var junctions = PairTable()
        for merge in list {
            guard let left = ends[Int(merge.left)]?.last, let right = ends[Int(merge.right)]?.first else { continue }
            junctions.set(UInt64(left) << 32 | UInt64(right), 1)
        }
        return junctions
    }

    /// The first and last character of a token (as bytes, with a byte-level vocabulary); nil where there is none. A
    /// byte-level token with a character outside the alphabet is never made of text, so it may be left out.
    private static func characters(
        _ vocabulary: Vocabulary, _ id: Int32, _ isByteLevel: Bool
    ) -> (first: UInt32, last: UInt32)? {
        guard let token = vocabulary.bytes(id), !token.isEmpty else { return nil }
        let (first, last) = token.withUnsafeBufferPointer { token in
            let pointer = token.baseAddress!
            return (
                UTF8Decoding.scalar(pointer, 0).value, UTF8Decoding.scalarBefore(pointer, token.count, from: 0).value
            )
        }
        guard isByteLevel else { return (first, last) }
        guard let first = ByteAlphabet.byte(of: first), let last = ByteAlphabet.byte(of: last) else { return nil }
        return (UInt32(first), UInt32(last))
    }
}
