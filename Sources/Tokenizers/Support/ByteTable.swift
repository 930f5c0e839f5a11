/// A map from byte strings to 32-bit values: open addressing over one arena, so that two million keys cost few
/// allocations and no key is ever compared by canonical equivalence.
///
/// The hash is seeded per process: a file cannot be made to collide.
struct ByteTable: Sendable {
    private struct Entry {
        var hash: UInt64
        var start: UInt32
        var count: UInt32
        var value: Int32
    }

    private static let seed = UInt64.random(in: .min ... .max)

    private var arena: [UInt8] = []
    private var entries: [Entry] = []
    /// Index into `entries` plus 1; 0 is free. A power of two, at most half full.
    private var slots: [UInt32] = [UInt32](repeating: 0, count: 16)

    /// Number of keys.
    var count: Int { entries.count }
    /// Bytes of all keys.
    var arenaByteCount: Int { arena.count }

    mutating func removeAll() {
        arena.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
        for index in slots.indices { slots[index] = 0 }
    }

    /// A seeded 64-bit hash, eight bytes at a time.
    @inline(__always)
    static func hash(_ key: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var hash = seed ^ UInt64(truncatingIfNeeded: key.count) &* 0x9E37_79B9_7F4A_7C15
        let raw = UnsafeRawBufferPointer(key)
        var index = 0
        while index + 8 <= raw.count {
            hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            index += 8
        }
        var tail: UInt64 = 0
        while index < raw.count {
            tail = tail << 8 | UInt64(raw[index])
            index += 1
        }
        return mix(hash ^ tail)
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
        return product.high ^ product.low &+ seed
    }

    /// The value of a key, nil where there is none.
    @inline(__always)
    func find(_ key: UnsafeBufferPointer<UInt8>) -> Int32? { find(key, hash: Self.hash(key)) }

    /// The same with `hash(key)` already known.
    @inline(__always)
    func find(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Int32? {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let index = slots[slot]
            if index == 0 { return nil }
            let entry = entries[Int(index) - 1]
            if entry.hash == hash, Int(entry.count) == key.count, matches(entry, key) { return entry.value }
            slot = (slot + 1) & mask
        }
    }

    func find(_ key: [UInt8]) -> Int32? { key.withUnsafeBufferPointer { find($0) } }

    @inline(__always)
    private func matches(_ entry: Entry, _ key: UnsafeBufferPointer<UInt8>) -> Bool {
        arena.withUnsafeBufferPointer { arena in
            let start = Int(entry.start)
            for index in 0..<key.count where arena[start + index] != key[index] { return false }
            return true
        }
    }

    /// Adds a key that may be there already; returns the value that was there, which then stays.
    @discardableResult
    mutating func insert(_ key: UnsafeBufferPointer<UInt8>, value: Int32) -> Int32? {
        let hash = Self.hash(key)
        if let present = find(key, hash: hash) { return present }
        if (entries.count + 1) * 2 > slots.count { grow() }
        guard let start = UInt32(exactly: arena.count), entries.count < Int(UInt32.max) - 1 else {
            fatalError("ByteTable holds at most 4 GiB of keys")
        }
        arena.append(contentsOf: key)
        entries.append(Entry(hash: hash, start: start, count: UInt32(key.count), value: value))
        place(entries.count - 1)
        return nil
    }

    @discardableResult
    mutating func insert(_ key: [UInt8], value: Int32) -> Int32? {
        key.withUnsafeBufferPointer { insert($0, value: value) }
    }

    /// Sets the value of a key, whether it is there already or not.
    mutating func set(_ key: UnsafeBufferPointer<UInt8>, value: Int32) {
        guard let index = index(of: key) else {
            insert(key, value: value)
            return
        }
        entries[index].value = value
    }

    private func index(of key: UnsafeBufferPointer<UInt8>) -> Int? {
        let hash = Self.hash(key)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            if entries[index].hash == hash, Int(entries[index].count) == key.count, matches(entries[index], key) {
                return index
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private mutating func place(_ index: Int) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: entries[index].hash) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = UInt32(index + 1)
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 4)
        for index in entries.indices { place(index) }
    }
}
