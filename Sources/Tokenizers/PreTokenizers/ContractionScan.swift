/// English contractions: `'s|'t|'re|'ve|'m|'ll|'d`.
enum ContractionScan {
    /// The end of a contraction that begins at `start`; nil where there is none.
    @inline(__always)
    static func end(_ bytes: UnsafePointer<UInt8>, _ start: Int, limit: Int, caseless: Bool) -> Int? {
        guard bytes[start] == UInt8(ascii: "'") else { return nil }
        let count = limit - start - 1
        guard count >= 1 else { return nil }
        let fold: UInt8 = caseless ? 0x20 : 0
        let first = bytes[start + 1] | fold
        let second = count >= 2 ? bytes[start + 2] | fold : 0
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r") where second == UInt8(ascii: "e"): return start + 3
        case UInt8(ascii: "v") where second == UInt8(ascii: "e"): return start + 3
        case UInt8(ascii: "l") where second == UInt8(ascii: "l"): return start + 3
        default: break
        }
        // U+017F, the long s, is an s without regard to case.
        if caseless, count >= 2, bytes[start + 1] == 0xC5, bytes[start + 2] == 0xBF { return start + 3 }
        return nil
    }
}
