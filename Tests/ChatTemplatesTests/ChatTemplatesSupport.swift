import ChatTemplates
import System
import TestSupport

/// A day for templates that print one.
let testDay: TemplateDate = {
    guard let day = try? TemplateDate(option: "2025-01-31") else { fatalError("the day is no day") }
    return day
}()

/// A message of a conversation.
func message(_ role: String, _ content: String) -> JSONValue {
    .object(JSONObject([("role", .string(role)), ("content", .string(content))]))
}

/// What a template makes of a conversation.
func render(
    _ source: String, _ messages: [JSONValue] = [message("user", "Hi")], limits: TemplateLimits = TemplateLimits()
) throws -> String {
    let renderer = ChatRenderer(
        template: try ChatTemplate(source, name: "t.jinja"),
        specialTokens: [(name: "bos_token", text: "<s>"), (name: "eos_token", text: "</s>")], date: testDay,
        limits: limits)
    return try renderer.render(Conversation(messages: messages)).string
}

/// The message of a template that is refused, or what it rendered.
func refusal(of source: String, limits: TemplateLimits = TemplateLimits()) -> String {
    do {
        return "rendered " + (try render(source, limits: limits).prefix(60))
    } catch { return "\(error)" }
}
