import Glibc
import Testing
import Tokenizers

/// No text is slow: time grows with the length, whatever repeats in it.
@Suite(.serialized) struct LinearityTests {
    /// Doubling the text doubles the time, with room for caches that no longer hold it.
    static let mostGrowth = 4.0

    static let units = [
        "a", " ", "_", "\n", "的", "ab", " a", "\t ", "!", "1", "\u{301}", "\u{1100}", "A", "<", "<s", "e\u{301}\u{327}",
        "é ", "\u{0}",
    ]

    /// Processor time of this thread, the least of three: other processes do not count.
    private func seconds(_ body: () -> Void) -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        return (0..<3).map { _ in
            let start = now()
            body()
            return now() - start
        }.min() ?? 0
    }

    @Test(arguments: [
        "gpt2", "llama2", "qwen2", "llama3", "tekken", "gemma", "added-tokens", "metaspace-split", "deepseek-v3",
        "deepseek-coder-v2", "kimi", "cohere2", "laguna", "bloom", "falcon", "byte-normalizer", "t5", "albert",
        "unigram-bytes", "unigram-scripts", "bert", "word-level", "openai-gpt", "bpe-prefix", "ctc",
    ])
    func timeIsLinearInTheLength(name: String) throws {
        let tokenizer = try Fixture(name).tokenizer
        for unit in Self.units {
            let short = String(repeating: unit, count: 30_000)
            let long = short + short
            let shortTime = seconds { _ = tokenizer.encode(short) }
            let longTime = seconds { _ = tokenizer.encode(long) }
            // A constant amount of noise is allowed below ten milliseconds.
            #expect(longTime < Self.mostGrowth * shortTime + 0.01, "\(name): \(unit.debugDescription)")
        }
    }

    @Test(arguments: ["gpt2", "llama2"])
    func aLongWordKeepsItsText(name: String) throws {
        let tokenizer = try Fixture(name).tokenizer
        for unit in ["a", " ", "的", "sheep"] {
            let text = String(repeating: unit, count: 50_000)
            #expect(tokenizer.decode(tokenizer.encode(text, addSpecialTokens: false), skipSpecialTokens: false) == text)
        }
    }
}
