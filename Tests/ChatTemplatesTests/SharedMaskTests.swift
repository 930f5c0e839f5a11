import ChatTemplates
import System
import TestSupport
import Testing

/// Masks of real templates.
@Suite(.enabled(if: SharedTemplates.isPresent, "../shared/data is absent"))
struct SharedMaskTests {
    private static let controlTokens = [
        "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>",
        "<|END_OF_TURN_TOKEN|>", "<turn|>", "<|user|>", "<|assistant|>", "[INST]", "[/INST]",
    ]

    private static let oneTurn = [message("user", "What is 2+2?"), message("assistant", "It is four.")]
    private static let twoTurns = oneTurn + [message("user", "And 3+3?"), message("assistant", "Six then.")]

    private func builder(_ source: String, name: String) throws -> (ChatRenderer, MaskBuilder) {
        let renderer = ChatRenderer(
            template: try ChatTemplate(source, name: name),
            specialTokens: [(name: "bos_token", text: "<s>"), (name: "eos_token", text: "</s>")], date: testDay)
        return (renderer, MaskBuilder(renderer, controlTokens: Self.controlTokens))
    }

    private func templates() throws -> [(name: String, source: String)] {
        var seen: Set<String> = [], list: [(String, String)] = []
        for rendering in try SharedTemplates.load() where seen.insert(rendering.name).inserted {
            list.append((rendering.name, rendering.template))
        }
        return list
    }

    /// Every template that renders a chat of user and assistant gives a mask that holds the answers.
    @Test func everyChatHasAMask() throws {
        var counts: [MaskWay: Int] = [:], refused: [String] = [], without: [String] = []
        for (name, source) in try templates() {
            let (renderer, masks) = try builder(source, name: name)
            for messages in [Self.oneTurn, Self.twoTurns] {
                let conversation = Conversation(messages: messages)
                guard let text = try? renderer.render(conversation) else {
                    refused.append(name)
                    continue
                }
                let turns = messages.indices.filter { $0 % 2 == 1 }
                guard let rows = try? masks.rows(conversation, turns: turns) else {
                    without.append("\(name), \(turns.count) turns")
                    continue
                }
                counts[rows[0].way, default: 0] += 1
                let supervised = rows.flatMap(\.supervisedTexts).joined(separator: "|")
                for answer in ["It is four.", "Six then."].prefix(turns.count) where text.string.contains(answer) {
                    #expect(supervised.contains(answer), "\(name): \(supervised)")
                }
                for question in ["What is 2+2?", "And 3+3?"] {
                    #expect(!supervised.contains(question), "\(name): \(supervised)")
                }
            }
        }
        let ways = MaskWay.allCases.map { "\($0.rawValue) \(counts[$0] ?? 0)" }.joined(separator: ", ")
        print("masks: \(ways); \(refused.count) chats refused by their template, \(without.count) without a mask")
        #expect(without.isEmpty, "\(without)")
        #expect(counts.values.reduce(0, +) > 120)
    }

    /// Supervised texts made by hand, from reading the templates.
    @Test func handMadeMasksAreMet() throws {
        let file = Fixtures.packageRoot() + "/Tests/ChatTemplatesTests/Fixtures/hand-made-masks.json"
        let cases = try #require(try Fixtures.json(file)["masks"]?.array)
        #expect(cases.count >= 10)
        let sources = Dictionary(try templates().map { ($0.name, $0.source) }) { first, _ in first }
        for row in cases {
            let name = try #require(row["template"]?.string)
            let source = try #require(sources[name], "\(name)")
            let (_, masks) = try builder(source, name: name)
            let rows = try masks.rows(Conversation(messages: Self.twoTurns), turns: [1, 3])
            #expect(rows.flatMap(\.supervisedTexts) == row["supervised"]?.array?.compactMap(\.string), "\(name)")
        }
    }
}
