import ChatTemplates
import System
import TestSupport
import Testing

/// Small templates against the golden renderings of transformers' environment.
struct ExpressionTests {
    @Test func everyCaseEqualsTransformers() throws {
        let document = try Fixtures.json(Fixtures.packageRoot() + "/Tests/ChatTemplatesTests/Fixtures/expressions.json")
        let context = try #require(document["context"]?.object)
        var arguments = JSONObject()
        for member in context.members where !["messages", "tools", "add_generation_prompt"].contains(member.key) {
            arguments.set(member.key, member.value)
        }
        let conversation = Conversation(
            messages: context["messages"]?.array ?? [], tools: context["tools"],
            addsGenerationPrompt: context["add_generation_prompt"]?.bool ?? false)
        let cases = try #require(document["cases"]?.array)
        #expect(cases.count > 140)
        for row in cases {
            let source = try #require(row["template"]?.string)
            do {
                let template = try ChatTemplate(source, name: "case")
                let text = try ChatRenderer(template: template, arguments: arguments, date: testDay)
                    .render(conversation).string
                let expected = row["text"]?.string
                #expect(
                    expected.map { $0.utf8.elementsEqual(text.utf8) } == true,
                    "\(source.debugDescription) gave \(text.debugDescription), not \((expected ?? "an error").debugDescription)"
                )
            } catch {
                #expect(row["error"] != nil, "\(source.debugDescription): \(error)")
                #expect(error.place.line != nil && error.place.column != nil, "\(error)")
            }
        }
    }

    @Test func errorsNameLineAndColumn() {
        #expect(
            refusal(of: "a\n  {{ 1 +\n messages[0].content }}")
                == "t.jinja:2:8: unsupported operand type(s) for +: 'int' and 'str'.")
        #expect(refusal(of: "{% if true %}\n{{ x") == "t.jinja:2:1: the tag does not end. Close it with }}.")
        #expect(
            refusal(of: "{% include 'x' %}").hasPrefix(
                "t.jinja:1:1: the tag 'include' reads other templates, which a chat template may not."))
        #expect(refusal(of: "\n{{ 'a'|shout }}").hasPrefix("t.jinja:2:8: there is no filter 'shout'."))
        #expect(
            refusal(of: "{{ raise_exception('no ' + messages[0].role) }}")
                == "t.jinja:1:19: no user. Change the conversation, or use another template.")
    }

    @Test func daysAreThoseOfTheRun() throws {
        #expect(
            try render("{{ strftime_now('%d %b %Y|%Y-%m-%d|%A %-d %B|%j %y %H:%M|%a %e|%%') }}")
                == "31 Jan 2025|2025-01-31|Friday 31 January|031 25 00:00|Fri 31|%")
        for (seconds, text) in [
            (0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_764_115_200, "2025-11-26"), (-1, "1969-12-31"),
            (4_107_542_399, "2100-02-28"),
        ] {
            #expect(TemplateDate(secondsSince1970: seconds).text == text)
        }
        for wrong in ["2025-13-01", "2025-02-29", "2025-1-1", "today", "2025-01-01-01", "2025-00-10"] {
            let failure = failure { _ = try TemplateDate(option: wrong) }
            #expect(failure?.kind == .usage, "\(wrong)")
        }
    }
}
