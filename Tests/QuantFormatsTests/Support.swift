import QuantFormats

/// The bytes of floats as they lie in memory.
func bytes(of values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: text, as: UTF8.self)
}

func bytes(hexadecimal text: String) -> [UInt8] {
    func digit(_ unit: UInt8) -> UInt8 { unit < 0x3A ? unit - 0x30 : unit - 0x57 }
    let units = Array(text.utf8)
    return stride(from: 0, to: units.count - 1, by: 2).map { digit(units[$0]) << 4 | digit(units[$0 + 1]) }
}

/// Elements of random sign, exponent (biased, `span` of them from `exponent` on) and mantissa: splitmix64 of
/// seed + index, as tools/fixtures/quantization.py makes them.
func generatedElements(seed: UInt64, count: Int, type: SourceType, exponent: UInt64, span: UInt64) -> [UInt8] {
    let mantissaBits: UInt64, exponentBits: UInt64
    switch type {
    case .float32: (exponentBits, mantissaBits) = (8, 23)
    case .bfloat16: (exponentBits, mantissaBits) = (8, 7)
    case .float16: (exponentBits, mantissaBits) = (5, 10)
    }
    var output: [UInt8] = []
    output.reserveCapacity(count * type.byteCount)
    for index in 0..<UInt64(count) {
        var x = (index &+ seed) &* 0x9E37_79B9_7F4A_7C15
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        x ^= x >> 31
        let power = (x >> 32) % span + exponent
        var bits = (x >> 63) << (exponentBits + mantissaBits)
        bits |= power << mantissaBits | x & (1 << mantissaBits - 1)
        for _ in 0..<type.byteCount {
            output.append(UInt8(truncatingIfNeeded: bits))
            bits >>= 8
        }
    }
    return output
}
