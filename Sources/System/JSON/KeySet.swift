/// The keys of an object that is being read, to refuse a second one: compared by bytes, without a copy of any.
struct KeySet {
    /// Objects of at most this many keys are searched from the start.
    private static let smallCount = 8

    /// Index of a member plus 1; 0 is free. A power of two, at most half full; empty for small objects.
    private var slots: [UInt32] = []

    /// Whether an object that holds `members` has this key already; if not, it is about to be appended.
    mutating func insert(_ key: String, in object: JSONObject) -> Bool {
        guard object.count >= Self.smallCount else { return object[key] == nil }
        if (object.count + 1) * 2 > slots.count {
            slots = [UInt32](repeating: 0, count: max(32, slots.count * 4))
            for (index, member) in object.members.enumerated() {
                slots[freeSlot(member.key, in: nil) ?? 0] = UInt32(index + 1)
            }
        }
        guard let slot = freeSlot(key, in: object) else { return false }
        slots[slot] = UInt32(object.count + 1)
        return true
    }

    /// Where a key goes; nil if it is there already. Without an object nothing is compared.
    private func freeSlot(_ key: String, in object: JSONObject?) -> Int? {
        // Seeded per process: a document cannot be made to collide.
        var hasher = Hasher()
        var key = key
        key.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        var slot = hasher.finalize() & (slots.count - 1)
        while slots[slot] != 0 {
            if let object, object.members[Int(slots[slot]) - 1].key.utf8.elementsEqual(key.utf8) { return nil }
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }
}
