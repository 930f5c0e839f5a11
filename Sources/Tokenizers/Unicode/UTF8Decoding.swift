/// Reading scalars out of bytes that are known to be valid UTF-8, as every Swift string is.
enum UTF8Decoding {
    /// The scalar that begins at `index` and how many bytes it has.
    @inline(__always)
    static func scalar(_ bytes: UnsafePointer<UInt8>, _ index: Int) -> (value: UInt32, count: Int) {
        let first = UInt32(bytes[index])
        if first < 0x80 { return (first, 1) }
        if first < 0xE0 { return ((first & 0x1F) << 6 | UInt32(bytes[index + 1] & 0x3F), 2) }
        if first < 0xF0 {
            return (
                (first & 0x0F) << 12 | UInt32(bytes[index + 1] & 0x3F) << 6 | UInt32(bytes[index + 2] & 0x3F), 3
            )
        }
        return (
            (first & 0x07) << 18 | UInt32(bytes[index + 1] & 0x3F) << 12 | UInt32(bytes[index + 2] & 0x3F) << 6
                | UInt32(bytes[index + 3] & 0x3F), 4
        )
    }

    /// The scalar that ends before `index`, which is above `start`, and how many bytes it has.
    @inline(__always)
    static func scalarBefore(
        _ bytes: UnsafePointer<UInt8>, _ index: Int, from start: Int
    ) -> (value: UInt32, count: Int) {
        var first = index - 1
        while first > start, bytes[first] & 0xC0 == 0x80 { first -= 1 }
        return scalar(bytes, first)
    }

    /// Bytes of the character that begins with this byte.
    @inline(__always)
    static func byteCount(first: UInt8) -> Int { first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4 }

    /// Appends the UTF-8 of a scalar that is no surrogate.
    static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        if scalar < 0x80 { return bytes.append(UInt8(scalar)) }
        func continuation(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (scalar >> shift) & 0x3F) }
        if scalar < 0x800 {
            bytes.append(UInt8(0xC0 | scalar >> 6))
        } else {
            if scalar < 0x10000 {
                bytes.append(UInt8(0xE0 | scalar >> 12))
            } else {
                bytes.append(UInt8(0xF0 | scalar >> 18))
                bytes.append(continuation(12))
            }
            bytes.append(continuation(6))
        }
        bytes.append(continuation(0))
    }

    /// Bytes at the end of `bytes` that begin a character without finishing it: 0 to 3.
    static func unfinishedCount(_ bytes: [UInt8]) -> Int {
        for back in 1...3 where back <= bytes.count {
            let byte = bytes[bytes.count - back]
            if byte & 0xC0 == 0x80 { continue }
            let needed =
                byte >= 0xF0 && byte < 0xF5 ? 4 : byte >= 0xE0 && byte < 0xF0 ? 3 : byte >= 0xC2 && byte < 0xE0 ? 2 : 1
            return needed > back ? back : 0
        }
        return 0
    }
}
