import System
import Testing

/// Expected values: the reference implementation's known outputs for seed 5489, and torch 2.15 on a CPU.
struct MersenneTwisterTests {
    @Test func outputsOfTheReferenceImplementation() {
        var generator = MersenneTwister(seed: 5489)
        #expect(generator.next() == 3_499_211_612)
        generator.skip(9_998)
        #expect(generator.next() == 4_123_659_995)
    }

    @Test func onlyTheLowBitsOfTheSeedEnter() {
        var low = MersenneTwister(seed: 7), high = MersenneTwister(seed: 7 + (1 << 32))
        #expect(low.next() == high.next())
    }

    @Test func skippingEqualsDrawing() {
        for count in [0, 1, 623, 624, 625, 5_000] {
            var drawing = MersenneTwister(seed: 3), skipping = MersenneTwister(seed: 3)
            for _ in 0..<count { _ = drawing.next() }
            skipping.skip(count)
            #expect(drawing.next() == skipping.next(), "\(count) draws")
        }
    }

    /// `torch.randperm(10, generator=torch.Generator().manual_seed(s))` for s = 42 and 43.
    @Test func permutationsOfTorch() {
        var first = MersenneTwister(seed: 42), second = MersenneTwister(seed: 43)
        #expect(first.permutation(10) == [2, 6, 1, 8, 4, 5, 0, 9, 3, 7])
        #expect(second.permutation(10) == [8, 4, 9, 0, 5, 1, 6, 7, 2, 3])
        #expect(first.permutation(0).isEmpty)
        #expect(first.permutation(1) == [0])
    }

    /// `torch.manual_seed(0); torch.rand(3)` and `torch.empty(3).uniform_(-0.3, 0.3)` after it, as bits.
    @Test func uniformsOfTorch() {
        var generator = MersenneTwister(seed: 0)
        let uniforms = (0..<3).map { _ in generator.nextUniform().bitPattern }
        #expect(uniforms == [0x3EFE_1558, 0x3F44_AA2F, 0x3DB5_33A8])
        var values = [Float](repeating: 0, count: 5)
        values.withUnsafeMutableBufferPointer { generator.fillUniform($0, bound: 0.3) }
        #expect(values.map(\.bitPattern) == [0xBE62_149A, 0xBDEC_A38C, 0x3DA4_C182, 0xBBC2_C581, 0x3E73_935E])
    }
}
