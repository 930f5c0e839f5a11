import ChatTemplates
import System
import Testing

@Suite(.enabled(if: SharedTemplates.isPresent, "../shared/data is absent"))
struct SharedRenderingTests {
    @Test func everyRenderingEqualsTransformers() throws {
        var equal = 0, refused = 0, wrong: [String] = []
        var templates: [String: ChatTemplate] = [:]
        for rendering in try SharedTemplates.load() {
            let context = rendering.context
            do {
                let template =
                    try templates[rendering.template] ?? ChatTemplate(rendering.template, name: rendering.name)
                templates[rendering.template] = template
                let tokens = ["bos_token", "eos_token"].compactMap { name in
                    context[name]?.string.map { (name: name, text: $0) }
                }
                let renderer = ChatRenderer(
                    template: template, specialTokens: tokens, date: try TemplateDate(option: "2025-01-31"))
                let text = try renderer.render(
                    Conversation(
                        messages: context["messages"]?.array ?? [], tools: context["tools"],
                        addsGenerationPrompt: context["add_generation_prompt"]?.bool ?? false)
                ).string
                if text.utf8.elementsEqual((rendering.text ?? "\u{0}").utf8) {
                    equal += 1
                } else {
                    wrong.append(
                        "\(rendering.name): \(text.debugDescription)\n  expected \(rendering.text ?? "error " + (rendering.error ?? ""))"
                    )
                }
            } catch let failure as Failure {
                if rendering.error != nil {
                    refused += 1
                } else {
                    wrong.append("\(rendering.name): \(failure)")
                }
            }
        }
        print("\(equal) renderings equal, \(refused) refused as expected, \(wrong.count) wrong")
        #expect(wrong.isEmpty, "\(wrong.prefix(5).joined(separator: "\n"))")
        #expect(equal + refused > 600)
    }
}
