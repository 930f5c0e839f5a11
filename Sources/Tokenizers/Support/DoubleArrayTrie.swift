/// A map from byte strings to values of at least 0 that gives all keys which begin a text: a double-array trie (Aoe 1989).
///
/// Built once from sorted keys; a step by one byte is one look into an array.
struct DoubleArrayTrie: Sendable {
    struct Node: Sendable {
        /// The child by byte b lies at `base + b`.
        var base: Int32 = 0
        /// The parent; -1 where there is no node.
        var parent: Int32 = -1
        /// The value of the key that ends here; -1 where none does.
        var value: Int32 = -1
    }

    private(set) var nodes: [Node] = [Node(base: 0, parent: -1, value: -1)]

    /// - Parameter keys: not empty strings, each once, in any order.
    init(_ keys: [(key: ArraySlice<UInt8>, value: Int32)]) {
        let keys = keys.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var firstFree = 1
        var pending = keys.isEmpty ? [] : [(node: 0, keys: 0..<keys.count, depth: 0)]
        var children: [(byte: UInt8, keys: Range<Int>)] = []
        while let (node, range, depth) = pending.popLast() {
            var index = range.lowerBound
            if keys[index].key.count == depth {
                nodes[node].value = keys[index].value
                index += 1
            }
            guard index < range.upperBound else { continue }
            children.removeAll(keepingCapacity: true)
            while index < range.upperBound {
                let start = index
                let byte = keys[start].key[keys[start].key.startIndex + depth]
                while index < range.upperBound, keys[index].key[keys[index].key.startIndex + depth] == byte {
                    index += 1
                }
                children.append((byte, start..<index))
            }
            let base = place(children.map(\.byte), &firstFree)
            nodes[node].base = Int32(base)
            for (byte, keys) in children {
                nodes[base + Int(byte)].parent = Int32(node)
                pending.append((base + Int(byte), keys, depth + 1))
            }
        }
        // Every look is inside of the array, whatever the byte.
        nodes.append(contentsOf: [Node](repeating: Node(), count: 256))
    }

    /// Steps that the search for a place takes at most before it goes to the end of the array.
    private static let longestSearch = 2048

    /// A base under which all of these bytes, in ascending order, find free places, which the array is made to hold.
    private mutating func place(_ bytes: [UInt8], _ firstFree: inout Int) -> Int {
        while firstFree < nodes.count, isTaken(firstFree) { firstFree += 1 }
        let first = Int(bytes[0])
        var candidate = max(firstFree, first + 1)
        var steps = 0
        while candidate < nodes.count, steps < Self.longestSearch {
            let base = candidate - first
            if !isTaken(candidate), bytes.allSatisfy({ base + Int($0) >= nodes.count || !isTaken(base + Int($0)) }) {
                break
            }
            candidate += 1
            steps += 1
        }
        if steps == Self.longestSearch { candidate = max(nodes.count, first + 1) }
        let base = candidate - first
        let end = base + Int(bytes[bytes.count - 1]) + 1
        if end > nodes.count { nodes.append(contentsOf: [Node](repeating: Node(), count: end - nodes.count)) }
        return base
    }

    private func isTaken(_ index: Int) -> Bool { index == 0 || nodes[index].parent >= 0 }

    /// Visits the keys that begin `text[start...]`, shortest first, with their ends.
    @inline(__always)
    func prefixes(
        of text: UnsafeBufferPointer<UInt8>, from start: Int, _ visit: (_ value: Int32, _ end: Int) -> Void
    ) {
        nodes.withUnsafeBufferPointer { nodes in
            var node = 0
            var index = start
            while index < text.count {
                let next = Int(nodes[node].base) + Int(text[index])
                guard Int(nodes[next].parent) == node else { return }
                node = next
                index += 1
                if nodes[node].value >= 0 { visit(nodes[node].value, index) }
            }
        }
    }
}
