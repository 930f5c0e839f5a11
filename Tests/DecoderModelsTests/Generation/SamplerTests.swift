import DecoderModels
import System
import TestSupport
import Testing

struct SamplerTests {
    /// Scores may differ from torch's by the rounding of one division.
    static let scoreTolerance: Float = 3e-7

    private func settings(_ change: (inout SamplerSettings) -> Void) -> SamplerSettings {
        var settings = SamplerSettings()
        settings.temperature = 1
        change(&settings)
        return settings
    }

    private func kept(_ logits: [Float], history: [Int32] = [], _ change: (inout SamplerSettings) -> Void) throws
        -> [Int32]
    {
        try Sampler(settings(change)).candidates(logits.span, history: history).map(\.id)
    }

    /// The processors of transformers in the order of its `generate`.
    @Test func processesAsTransformers() throws {
        let path = Fixtures.modelsDirectory + "/sampler.json"
        let cases = try #require(try Fixtures.json(path)["cases"]?.array)
        #expect(cases.count == 28)
        for item in cases {
            func floats(_ key: String) -> [Float] {
                (item[key]?.array ?? []).compactMap { $0.integer.map { Float(bitPattern: UInt32($0)) } }
            }
            var settings = settings {
                $0.temperature = item["temperature"]?.double ?? 1
                $0.topK = item["top_k"]?.integer ?? 0
                $0.topP = item["top_p"]?.double ?? 1
                $0.minP = item["min_p"]?.double ?? 0
                $0.repetitionPenalty = item["repetition_penalty"]?.double ?? 1
            }
            let logits = floats("logits"), scores = floats("scores")
            let history = (item["history"]?.array ?? []).compactMap { $0.integer.map { Int32($0) } }
            let candidates = try Sampler(settings).candidates(logits.span, history: history)
            #expect(candidates.map { Int($0.id) } == item["kept"]?.array?.compactMap(\.integer))
            for (candidate, score) in zip(candidates, scores) {
                #expect(abs(candidate.score - score) <= Self.scoreTolerance * max(1, abs(score)))
            }
            settings.temperature = 0
            let greedy = try Sampler(settings).next(logits.span, history: history, position: 0)
            #expect(Int(greedy) == item["argmax"]?.integer)
        }
    }

    @Test func rulesByHand() throws {
        #expect(try kept([1, 3, 2, 3, 0]) { $0.topK = 1 } == [1, 3])
        #expect(try kept([1, 3, 2, 3, 0]) { $0.topK = 3 } == [1, 2, 3])
        #expect(try kept([1, 3, 2, 3, 0]) { $0.topK = 5 } == [0, 1, 2, 3, 4])
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let halves: [Float] = [-1, -2, -3, -3].map { $0 * 0.6931472 }
        #expect(try kept(halves) { $0.topP = 0.4 } == [0])
        #expect(try kept(halves) { $0.topP = 0.6 } == [0, 1])
        #expect(try kept(halves) { $0.topP = 0 } == [0])
        #expect(try kept(halves) { $0.minP = 0.4 } == [0, 1])
        #expect(try kept(halves) { $0.minP = 1 } == [0])
        #expect(try kept([0, -.infinity, 0]) { $0.topK = 0 } == [0, 2])
        // 4 / 2 = 2 is below 3; -1 * 2 = -2 is below -1.5.
        let penalized = try Sampler(settings { $0.repetitionPenalty = 2 })
        let scores = try penalized.candidates(([4, 3, -1, -1.5] as [Float]).span, history: [0, 2, 2, 99, -1]).map(
            \.score)
        #expect(scores == [2, 3, -2, -1.5])
    }

    @Test func greedyTakesTheFirstOfEqualScores() throws {
        let sampler = try Sampler(SamplerSettings())
        #expect(try sampler.next(([1, 5, 5, 2] as [Float]).span, history: [], position: 3) == 1)
        #expect(try sampler.next(([-.infinity, -3] as [Float]).span, history: [], position: 0) == 1)
    }

    /// Draws follow the probabilities, depend on the position and the seed, and on nothing else.
    @Test func drawsFollowTheProbabilities() throws {
        let logits: [Float] = [0, 1, 2, 3]
        let sampler = try Sampler(settings { $0.seed = 7 })
        let count = 40_000
        var counts = [Int](repeating: 0, count: 4)
        for position in 0..<count { counts[Int(try sampler.next(logits.span, history: [], position: position))] += 1 }
        // 1, e, e^2 and e^3 over their sum; four standard deviations are below 0.011.
        for (share, expected) in zip(counts.map { Double($0) / Double(count) }, [0.0321, 0.0871, 0.2369, 0.6439]) {
            #expect(abs(share - expected) < 0.011)
        }
        let again = try (0..<20).map { try sampler.next(logits.span, history: [], position: $0) }
        #expect(try (0..<20).map { try sampler.next(logits.span, history: [], position: $0) } == again)
        let other = try Sampler(settings { $0.seed = 8 })
        #expect(try (0..<20).map { try other.next(logits.span, history: [], position: $0) } != again)
    }

    @Test func logitsThatAreNoNumbers() throws {
        let sampler = try Sampler(SamplerSettings())
        for logits: [Float] in [[.nan, 1], [1, .nan], [.infinity, 0], [-.infinity, -.infinity], []] {
            let failure = #expect(throws: Failure.self) { try sampler.next(logits.span, history: [], position: 0) }
            #expect(failure?.what == "the model's logits are not finite: no token can be chosen")
        }
    }

    @Test func settingsThatAreRefused() throws {
        let cases: [(settings: SamplerSettings, message: String)] = [
            (settings { $0.temperature = -1 }, "the temperature is -1.0: 0 or more is expected."),
            (settings { $0.topK = -1 }, "top-k is -1: 0 (all tokens) or more is expected."),
            (settings { $0.topP = 1.5 }, "top-p is 1.5: from 0 to 1 is expected."),
            (settings { $0.minP = .nan }, "min-p is nan: from 0 to 1 is expected."),
            (settings { $0.repetitionPenalty = 0 }, "the repetition penalty is 0.0: a number above 0 is expected."),
        ]
        for item in cases {
            let failure = #expect(throws: Failure.self) { try Sampler(item.settings) }
            #expect(failure?.description == item.message)
        }
    }

    private func read(_ text: String) throws -> SamplerSettings {
        try SamplerSettings(
            generationConfiguration: try #require(try JSONParser.parse(text).object), file: "generation_config.json")
    }

    @Test func generationConfigurations() throws {
        let empty = try read("{}")
        #expect(empty.temperature == 0 && empty.topK == 50 && empty.topP == 1 && empty.stopIDs.isEmpty)
        #expect(try read("{\"temperature\":0.6}").temperature == 0)
        #expect(try read("{\"do_sample\":true}").temperature == 1)
        let chat = try read(
            "{\"do_sample\":true,\"temperature\":0.6,\"top_k\":20,\"top_p\":0.9,\"repetition_penalty\":1.05,\"min_p\":null,"
                + "\"eos_token_id\":[3,5]}")
        #expect(chat.temperature == 0.6 && chat.topK == 20 && chat.topP == 0.9 && chat.repetitionPenalty == 1.05)
        #expect(chat.stopIDs == [3, 5])
        #expect(try Sampler(chat).isStop(5))
        for (text, message) in [
            ("{\"do_sample\":1}", "field \"do_sample\": a number was found where true or false is expected."),
            ("{\"top_k\":2.5}", "field \"top_k\": a number was found where an integer is expected."),
            ("{\"top_p\":\"x\"}", "field \"top_p\": a string was found where a number is expected."),
            ("{\"eos_token_id\":-1}", "field \"eos_token_id\": a number was found where a token id is expected."),
            ("{\"top_p\":2}", "top-p is 2.0: from 0 to 1 is expected."),
        ] {
            let failure = #expect(throws: Failure.self) { try read(text) }
            #expect(failure?.description == "generation_config.json: \(message)")
        }
    }
}
