import System
import TestSupport
import Testing

/// What a run keeps of its chat template: the template itself, and the day it saw, whenever the run goes on.
@Suite(.enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct ResumedTemplateTests {
    private static let model = Fixtures.packageRoot() + "/tools/quickstart.d/model"
    private static let template = """
        {{ strftime_now('%d %B %Y') }}
        {% for m in messages %}{{ m.role ~ ': ' ~ m.content ~ '\\n' }}{% endfor %}
        {%- if add_generation_prompt %}assistant: {% endif %}
        """
    private static let rows = #"""
        {"messages":[{"role":"user","content":"Tell a story"},{"role":"assistant","content":"Once upon a time."}]}
        {"messages":[{"role":"user","content":"And the end"},{"role":"assistant","content":"They came home."}]}
        """#

    private let directory = TemporaryDirectory()

    init() {
        directory.write("own.jinja", Self.template)
        directory.write("rows.jsonl", Self.rows)
    }

    private func train(_ run: String, _ options: [String]) -> CommandResult {
        runQLoRA(
            arguments: [
                "train", "--quiet", "--model", Self.model, "--data", directory.file("rows.jsonl"), "-o",
                directory.file(run), "--chat-template", directory.file("own.jinja"), "--eval-split", "0", "--rank", "2",
                "--gradient-accumulation", "2", "--schedule", "constant",
            ] + options)
    }

    private func settings(_ run: String) throws -> JSONObject {
        try FileReader.readJSONObject(directory.file(run) + "/chat_settings.json")
    }

    @Test func theDayOfARunIsKept() throws {
        let day = "2024-02-29"
        let first = train("run", ["--max-steps", "2", "--template-date", day])
        #expect(first.status == 0, "\(first.standardError)")
        #expect(try settings("run")["template_date"]?.string == day)
        // Today is another day: without the record, other rows and a refusal.
        let second = train("run", ["--max-steps", "4", "--resume", "--extend"])
        #expect(second.status == 0, "\(second.standardError)")
        #expect(try settings("run")["template_date"]?.string == day)
        let record = try FileReader.readJSONObject(directory.file("run") + "/run.json")
        #expect(record["options"]?["template_date"]?.string == day)
        let whole = train("whole", ["--max-steps", "4", "--template-date", day])
        #expect(whole.status == 0, "\(whole.standardError)")
        func adapter(_ run: String) throws -> [UInt8] {
            try FileReader.read(directory.file(run) + "/adapter_model.safetensors")
        }
        #expect(try adapter("run") == adapter("whole"))
        let other = train("other", ["--max-steps", "4", "--template-date", "2024-03-01"])
        #expect(other.status == 0, "\(other.standardError)")
        #expect(try adapter("other") != adapter("whole"))
    }

    @Test func anotherDayOrTemplateIsRefusedAndLeavesTheRecord() throws {
        #expect(train("run", ["--max-steps", "2", "--template-date", "2024-02-29"]).status == 0)
        let before = try FileReader.read(directory.file("run") + "/chat_settings.json")
        let other = train("run", ["--max-steps", "2", "--template-date", "2024-03-01", "--resume"])
        #expect(other.status == 64)
        #expect(
            other.standardError.contains("--template-date was 2024-02-29 and is 2024-03-01"), "\(other.standardError)")
        let changed = train("run", ["--max-steps", "2", "--chat-template", "alpaca", "--resume"])
        #expect(changed.status == 64)
        #expect(
            changed.standardError.contains("--chat-template was own.jinja and is alpaca"), "\(changed.standardError)")
        #expect(try FileReader.read(directory.file("run") + "/chat_settings.json") == before)
        #expect(try FileReader.readText(directory.file("run") + "/chat_template.jinja") == Self.template)
        let again = train("run", ["--max-steps", "2", "--resume"])
        #expect(again.status == 0, "\(again.standardError)")
    }

    /// The template goes with the adapter, byte for byte, and serves where the model's own would.
    @Test func theTemplateGoesWithTheAdapter() throws {
        let trained = train("run", ["--max-steps", "1", "--template-date", "2024-02-29"])
        #expect(trained.status == 0, "\(trained.standardError)")
        #expect(try FileReader.readText(directory.file("run") + "/chat_template.jinja") == Self.template)
        let arguments = [
            "generate", "--model", Self.model, "--chat", "--prompt", "Tell", "--max-tokens", "1", "--json",
        ]
        let adapted = runQLoRA(
            arguments: arguments + ["--adapter", directory.file("run"), "--template-date", "2024-02-29"])
        #expect(adapted.status == 0, "\(adapted.standardError)")
        let named = runQLoRA(
            arguments: arguments + ["--chat-template", directory.file("own.jinja"), "--template-date", "2024-02-29"])
        #expect(named.status == 0, "\(named.standardError)")
        func ids(_ result: CommandResult) throws -> [Int] {
            try JSONParser.parse(result.standardOutput)["prompt_ids"]?.array?.compactMap(\.integer) ?? []
        }
        #expect(try !ids(adapted).isEmpty && ids(adapted) == ids(named))
    }
}
