/// A map from 64-bit keys to 64-bit values with open addressing, for look-ups in inner loops.
///
/// Keys are mixed with a seed of the process: a file cannot be made to collide. The key `UInt64.max` is reserved.
struct PairTable: Sendable {
    private static let free = UInt64.max
    private static let seed = UInt64.random(in: .min ... .max) | 1

    private var keys: [UInt64] = [UInt64](repeating: free, count: 16)
    private var values: [UInt64] = [UInt64](repeating: 0, count: 16)
    private(set) var count = 0

    @inline(__always)
    static func key(_ first: Int32, _ second: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
    }

    @inline(__always)
    private static func slot(_ key: UInt64, _ mask: Int) -> Int {
        let product = (key ^ seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: product.high ^ product.low) & mask
    }

    @inline(__always)
    func find(_ key: UInt64) -> UInt64? {
        keys.withUnsafeBufferPointer { keys in
            let mask = keys.count - 1
            var slot = Self.slot(key, mask)
            while true {
                let found = keys[slot]
                if found == key { return values.withUnsafeBufferPointer { $0[slot] } }
                if found == Self.free { return nil }
                slot = (slot + 1) & mask
            }
        }
    }

    /// Sets a value; a later one replaces an earlier one.
    mutating func set(_ key: UInt64, _ value: UInt64) {
        guard key != Self.free else { fatalError("PairTable: the key UInt64.max is reserved") }
        if (count + 1) * 2 > keys.count { grow() }
        place(key, value)
    }

    private mutating func place(_ key: UInt64, _ value: UInt64) {
        let mask = keys.count - 1
        var slot = Self.slot(key, mask)
        while keys[slot] != Self.free, keys[slot] != key { slot = (slot + 1) & mask }
        if keys[slot] == Self.free { count += 1 }
        keys[slot] = key
        values[slot] = value
    }

    private mutating func grow() {
        let oldKeys = keys, oldValues = values
        keys = [UInt64](repeating: Self.free, count: oldKeys.count * 4)
        values = [UInt64](repeating: 0, count: oldKeys.count * 4)
        count = 0
        for index in oldKeys.indices where oldKeys[index] != Self.free { place(oldKeys[index], oldValues[index]) }
    }
}
