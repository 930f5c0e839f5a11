/// GPT-2's alphabet: every byte has a printable character. Bytes 33 to 126, 161 to 172 and 174 to 255 are their own;
/// the other 68, in ascending order, are U+0100 and up.
enum ByteAlphabet {
    private static func isOwn(_ byte: Int) -> Bool {
        33...126 ~= byte || 161...172 ~= byte || 174...255 ~= byte
    }

    /// The byte of each scalar below U+0144, -1 where it has none.
    private static let bytes: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        var next = 0x100
        for byte in 0...255 {
            if isOwn(byte) {
                table[byte] = Int16(byte)
            } else {
                table[next] = Int16(byte)
                next += 1
            }
        }
        return table
    }()

    /// The character of each byte.
    private static let scalars: [UInt16] = {
        var table = [UInt16](repeating: 0, count: 256)
        for (scalar, byte) in bytes.enumerated() where byte >= 0 { table[Int(byte)] = UInt16(scalar) }
        return table
    }()

    /// The character of a byte.
    static func scalar(of byte: UInt8) -> UInt32 { UInt32(scalars[Int(byte)]) }

    /// The byte of a character, nil outside the alphabet.
    static func byte(of scalar: UInt32) -> UInt8? {
        scalar < 0x144 && bytes[Int(scalar)] >= 0 ? UInt8(bytes[Int(scalar)]) : nil
    }

    /// The bytes a token stands for; nil if it holds a character outside the alphabet.
    static func bytes(of token: ArraySlice<UInt8>) -> [UInt8]? {
        bytes.withUnsafeBufferPointer { table in
            token.withUnsafeBufferPointer { token -> [UInt8]? in
                var output: [UInt8] = []
                guard let pointer = token.baseAddress else { return output }
                output.reserveCapacity(token.count)
                var index = 0
                while index < token.count {
                    let (scalar, count) = UTF8Decoding.scalar(pointer, index)
                    guard scalar < 0x144, table[Int(scalar)] >= 0 else { return nil }
                    output.append(UInt8(table[Int(scalar)]))
                    index += count
                }
                return output
            }
        }
    }
}
