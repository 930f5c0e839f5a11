import System
import Testing

@Suite struct SHA256Tests {
    /// With and without the processor's instructions, where it has them.
    static let implementations = SHA256.hasInstructions ? [false, true] : [false]

    /// The examples of FIPS 180-4 and the longer one of its predecessor.
    static let examples: [(text: String, digest: String)] = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
                + "mnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ]

    @Test(arguments: implementations)
    func examplesOfTheStandard(usesInstructions: Bool) {
        for example in Self.examples {
            var hash = SHA256(usesInstructions: usesInstructions)
            hash.update(Array(example.text.utf8))
            #expect(hash.hexadecimalDigest() == example.digest)
        }
        #expect(
            Array("abc".utf8).withUnsafeBytes { SHA256.hexadecimalDigest(of: $0) } == Self.examples[1].digest)
    }

    /// Every length from 0 to 300, hence every padding: the digest of all digests, from Python's hashlib.
    @Test(arguments: implementations)
    func everyLength(usesInstructions: Bool) {
        let data = (0..<300).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
        var all = SHA256(usesInstructions: usesInstructions)
        for count in 0...300 {
            var hash = SHA256(usesInstructions: usesInstructions)
            hash.update(Array(data[..<count]))
            all.update(hash.digest())
        }
        #expect(all.hexadecimalDigest() == "7d917fbd2cf49ddff9ad0a8706bba32d204e92e71d2e369c5a03d6af29278c9f")
    }

    @Test(arguments: implementations)
    func digestsDoNotDependOnHowAStreamIsCut(usesInstructions: Bool) {
        let data = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* $0 &+ 11) }
        var whole = SHA256(usesInstructions: usesInstructions)
        whole.update(data)
        for size in [1, 3, 63, 64, 65, 128, 130, 999] {
            var hash = SHA256(usesInstructions: usesInstructions)
            var start = 0
            while start < data.count {
                let end = min(start + size, data.count)
                hash.update(Array(data[start..<end]))
                // Asking for the digest in between changes nothing.
                _ = hash.digest()
                start = end
            }
            #expect(hash.digest() == whole.digest(), "pieces of \(size)")
        }
    }
}
