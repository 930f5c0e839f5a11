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
    /// Whether several merges may have one rank: then the leftmost of them is first, whichever it is.
    private let sharesRanks: Bool

    /// Reads `["a b", …]` or `[["a", "b"], …]`; a later merge of the same pair replaces an earlier one.
    ///
    /// - Parameter prefixCount: bytes at the beginning of a right part that its result leaves out.
    /// - Throws: `Failure` of kind `badData` naming the merge: one that is not two texts, or whose parts or result are
    ///   not in the vocabulary.
    init(
        _ values: [JSONValue], vocabulary: Vocabulary, prefixCount: Int, source: ComponentSource
    ) throws(Failure) {
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
            let left = try id(0..<leftCount, "the left part")
            let right = try id(leftCount..<joined.count, "the right part")
            guard joined.count - leftCount >= prefixCount else {
                throw source.failure(
                    .badData, "the right part is shorter than the subword prefix", key: "merges[\(index)]")
            }
            joined.removeSubrange(leftCount..<leftCount + prefixCount)
            list.append(Merge(left: left, right: right, result: try id(0..<joined.count, "the result")))
        }
        self.init(list, ranks: nil)
    }

    /// Merges in order, each with the rank that it shares with others.
    init(_ merges: [(left: Int32, right: Int32, result: Int32, rank: UInt32)]) {
        self.init(
            merges.map { Merge(left: $0.left, right: $0.right, result: $0.result) }, ranks: merges.map(\.rank))
    }

    private init(_ list: [Merge], ranks: [UInt32]?) {
        var table = PairTable()
        for (index, merge) in list.enumerated() {
            let rank = ranks.map { UInt64($0[index]) } ?? UInt64(index)
            table.set(
                PairTable.key(merge.left, merge.right), rank << 32 | UInt64(UInt32(bitPattern: merge.result)))
        }
        self.list = list
        self.table = table
        sharesRanks = ranks != nil
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

    /// Whether the merge that two symbols have now (see `find`) is the one that was put into a queue under a rank: the one
    /// that makes the same id. Where merges share a rank, any of that rank is as good: it has an entry of its own.
    @inline(__always)
    func isCurrent(_ merge: UInt64, rank: UInt32) -> Bool {
        sharesRanks
            ? UInt32(truncatingIfNeeded: merge >> 32) == rank
            : Int32(truncatingIfNeeded: merge) == list[Int(rank)].result
    }

    /// The table without merges that make one of these ids; nil where there is none.
    func withholding(_ ids: Set<Int32>) -> MergeTable? {
        guard list.contains(where: { ids.contains($0.result) }) else { return nil }
        guard !sharesRanks else { fatalError("merges of shared ranks make no control tokens") }
        return MergeTable(list.filter { !ids.contains($0.result) }, ranks: nil)
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
