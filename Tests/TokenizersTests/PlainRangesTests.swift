import Testing
import Tokenizers

/// Control tokens in texts that are in part somebody's words.
struct PlainRangesTests {
    @Test(arguments: ["qwen2", "phi3", "llama2"])
    func controlTokensCountOutsideOfPlainRanges(name: String) throws {
        let tokenizer = try Fixture(name).tokenizer
        let token = try #require(tokenizer.specialTokenTexts.last)
        let id = try #require(tokenizer.id(of: token))
        let head = "a\(token)b ", text = head + token + "c" + token
        let start = head.utf8.count, length = token.utf8.count
        func count(_ plain: [Range<Int>]) -> Int {
            let encoded = tokenizer.encodeWithOffsets(text, plainRanges: plain)
            #expect(encoded.ids.count == encoded.ranges.count)
            return encoded.ids.count { $0 == id }
        }
        #expect(count([]) == 3)
        #expect(count([start..<(start + length)]) == 2)
        // A part of a token is enough.
        #expect(count([start..<(start + 1)]) == 2)
        #expect(count([(start + length - 1)..<(start + length + 1)]) == 2)
        #expect(count([0..<1, (start + length)..<(start + length + 1)]) == 3)
        #expect(count([0..<text.utf8.count]) == 0)
        let whole = tokenizer.encodeWithOffsets(text, addSpecialTokens: false)
        #expect(tokenizer.encodeWithOffsets(text, plainRanges: []).ids == whole.ids)
        let plain = tokenizer.encodeWithOffsets(text, addSpecialTokens: false, controlText: .plain)
        #expect(tokenizer.encodeWithOffsets(text, plainRanges: [0..<text.utf8.count]).ids == plain.ids)
    }
}
