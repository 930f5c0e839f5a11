internal import CSystem

/// SHA-256 of a stream of bytes (FIPS 180-4), by the processor's instructions where it has them.
///
/// Pieces may be of any size; equal bytes give equal digests however they are cut.
public struct SHA256: Sendable {
    /// H0 to H7, section 6.2.2.
    private var state: InlineArray<8, UInt32> = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]
    /// Bytes of a block that is not complete.
    private var pending = InlineArray<64, UInt8>(repeating: 0)
    private var pendingCount = 0
    private var byteCount: UInt64 = 0
    private let usesInstructions: Bool

    public init() { self.init(usesInstructions: Self.hasInstructions) }

    /// A stream that uses the processor's instructions or does without, for comparing the two.
    package init(usesInstructions: Bool) { self.usesInstructions = usesInstructions && Self.hasInstructions }

    /// Whether this processor has SHA-256 instructions.
    package static let hasInstructions = csystem_has_sha256()

    /// Adds bytes to the stream.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard var next = bytes.baseAddress, bytes.count > 0 else { return }
        var left = bytes.count
        byteCount &+= UInt64(left)
        if pendingCount > 0 {
            let taken = min(left, 64 - pendingCount)
            for index in 0..<taken { pending[pendingCount + index] = bytes[index] }
            pendingCount += taken
            next += taken
            left -= taken
            guard pendingCount == 64 else { return }
            pendingCount = 0
            takePending()
        }
        takeBlocks(next, count: left / 64)
        next += left & ~63
        left &= 63
        for index in 0..<left { pending[index] = next.load(fromByteOffset: index, as: UInt8.self) }
        pendingCount = left
    }

    /// Adds bytes to the stream.
    public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// The digest of everything added so far, 32 bytes; more may be added afterwards.
    public func digest() -> [UInt8] {
        var copy = self
        let bitCount = byteCount &* 8
        var padding: [UInt8] = [0x80]
        padding += Array(repeating: 0, count: (55 - pendingCount + 64) % 64)
        padding += (0..<8).map { UInt8(truncatingIfNeeded: bitCount >> (56 - 8 * $0)) }
        copy.update(padding)
        return (0..<32).map { UInt8(truncatingIfNeeded: copy.state[$0 / 4] >> (24 - 8 * ($0 % 4))) }
    }

    /// The digest as 64 lower-case hexadecimal digits.
    public func hexadecimalDigest() -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The digest of one piece of memory, as 64 lower-case hexadecimal digits.
    public static func hexadecimalDigest(of bytes: UnsafeRawBufferPointer) -> String {
        var hash = SHA256()
        hash.update(bytes)
        return hash.hexadecimalDigest()
    }

    private mutating func takePending() {
        let block = pending
        block.span.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { fatalError("a block of 64 bytes has no address") }
            takeBlocks(base, count: 1)
        }
    }

    private mutating func takeBlocks(_ blocks: UnsafeRawPointer, count: Int) {
        guard count > 0 else { return }
        let usesInstructions = usesInstructions
        var span = state.mutableSpan
        span.withUnsafeMutableBufferPointer { state in
            Self.roundConstants.withUnsafeBufferPointer { constants in
                guard let words = state.baseAddress, let constants = constants.baseAddress else {
                    fatalError("the state of a hash has no address")
                }
                if usesInstructions {
                    csystem_sha256(words, blocks.assumingMemoryBound(to: UInt8.self), count, constants)
                } else {
                    for block in 0..<count { Self.compress(words, blocks + 64 * block, constants) }
                }
            }
        }
    }

    /// The compression function, section 6.2.2.
    private static func compress(
        _ state: UnsafeMutablePointer<UInt32>, _ block: UnsafeRawPointer, _ constants: UnsafePointer<UInt32>
    ) {
        // The last 16 words of the message schedule.
        var schedule = InlineArray<16, UInt32>(repeating: 0)
        for index in 0..<16 {
            schedule[index] = UInt32(bigEndian: block.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        }
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        for round in 0..<64 {
            let slot = round & 15
            if round >= 16 {
                let old = schedule[(round + 1) & 15], recent = schedule[(round + 14) & 15]
                let small0 = rotated(old, 7) ^ rotated(old, 18) ^ (old >> 3)
                let small1 = rotated(recent, 17) ^ rotated(recent, 19) ^ (recent >> 10)
                schedule[slot] = schedule[slot] &+ small0 &+ schedule[(round + 9) & 15] &+ small1
            }
            let large1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
            let first = h &+ large1 &+ ((e & f) ^ (~e & g)) &+ constants[round] &+ schedule[slot]
            let large0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
            let second = large0 &+ ((a & b) ^ (a & c) ^ (b & c))
            (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ second)
        }
        state[0] &+= a
        state[1] &+= b
        state[2] &+= c
        state[3] &+= d
        state[4] &+= e
        state[5] &+= f
        state[6] &+= g
        state[7] &+= h
    }

    private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 { word >> count | word << (32 - count) }

    /// K0 to K63: the first 32 bits of the fractional parts of the cube roots of the first 64 primes, section 4.2.2.
    private static let roundConstants: [UInt32] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ]
}
