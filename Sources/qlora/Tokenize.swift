public import ArgumentParser
internal import System
public import Tokenizers

/// `qlora tokenize`: lines of JSON strings to lines of ids, and back.
struct Tokenize: VerbCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn lines of JSON strings into lines of ids, or back.",
        discussion: """
            Reads lines from standard input, each a JSON string, and writes a JSON array of ids for each. With --decode \
            reads arrays of ids and writes JSON strings. A line that cannot be read gives {"error":…} on its line, and \
            exit status 65 at the end.

            With --chat each line is {"messages":[…],"tools":[…],"add_generation_prompt":false,"template_args":{…}}, of \
            which only the messages are needed, and becomes {"text":…,"ids":[…],"assistant_mask":[…]}; where no exact mask \
            exists, the mask is null and mask_error says so.

            EXAMPLE:
              echo '"Once upon a time"' | qlora tokenize --model MODEL
              echo '[15496, 995]' | qlora tokenize --model MODEL --decode
              echo '{"messages":[{"role":"user","content":"Hi"}]}' | qlora tokenize --model MODEL --chat
            """)

    @OptionGroup var common: CommonOptions

    @Option(
        help: ArgumentHelp(
            "The directory with tokenizer.json or tokenizer.model; nothing else of a model is needed.",
            valueName: "dir"))
    var model: String

    @Flag(
        help: ArgumentHelp(
            "Leave the post-processor out: neither add its special tokens in encoding nor remove them in decoding. (default: add and remove them)"
        ))
    var noSpecialTokens = false

    @Option(
        help: ArgumentHelp(
            "Whether control tokens written in a text are control tokens (parse) or text (plain). (default: parse; plain "
                + "for what conversations say)", valueName: "parse|plain"))
    var controlText: ControlText?

    @Flag(help: "Turn ids into text. (default: text into ids)")
    var decode = false

    @Flag(help: "Turn conversations into text, ids and masks. (default: texts into ids)")
    var chat = false

    @OptionGroup(title: "Chat") var template: ChatTemplateOptions

    func validate() throws {
        if chat, decode || noSpecialTokens {
            throw ValidationError("--chat excludes --decode and --no-special-tokens. Leave one of them out.")
        }
    }

    func run(console: Console) throws {
        let directory = try TokenizerDirectory.load(model)
        for warning in directory.warnings { console.warn(warning) }
        let conversations = try chat ? ConversationLines(self, directory) : nil
        var lines = InputLines()
        var output = ResultLines(console: console)
        var firstFailure: Failure?
        var failureCount = 0
        while let line = try lines.next() {
            do throws(Failure) {
                let value = try parse(line, number: lines.number)
                let line =
                    if let conversations {
                        JSONWriter.compact.string(try conversations.result(value, line: lines.number))
                    } else {
                        try decode
                            ? decoded(value, directory.tokenizer, lines.number)
                            : encoded(value, directory.tokenizer, lines.number)
                    }
                try output.add(line)
            } catch {
                guard error.kind == .badData || (chat && error.kind == .unsupported) else { throw error }
                firstFailure = firstFailure ?? error
                failureCount += 1
                try output.add(JSONWriter.compact.string(.object(JSONObject([("error", .string("\(error)"))]))))
            }
        }
        try output.finish()
        guard var failure = firstFailure else { return }
        failure.kind = .badData
        if failureCount > 1 { failure.what += " (the first of \(failureCount) lines that could not be read)" }
        throw failure
    }

    func place(_ line: Int, field: String? = nil) -> Failure.Place {
        Failure.Place(file: "standard input", line: line, field: field)
    }

    private func parse(_ line: [UInt8], number: Int) throws(Failure) -> JSONValue {
        do throws(Failure) {
            return try JSONParser.parse(line)
        } catch {
            var failure = error
            failure.place = Failure.Place(
                file: "standard input", byteOffset: error.place.byteOffset, line: number, column: error.place.column)
            throw failure
        }
    }

    private func encoded(_ value: JSONValue, _ tokenizer: Tokenizer, _ line: Int) throws(Failure) -> String {
        guard let text = value.string else {
            throw Failure(
                .badData, "a JSON string is expected on each line, not \(value.kindName)", at: place(line),
                remedy: decode ? nil : "Give --decode to turn ids into text")
        }
        let ids = tokenizer.encode(text, addSpecialTokens: !noSpecialTokens, controlText: controlText ?? .parse)
        return "[" + ids.lazy.map(String.init).joined(separator: ",") + "]"
    }

    /// The ids between those that the template puts around a text, where they are there.
    private func withoutTemplate(_ ids: [Int32], _ tokenizer: Tokenizer) -> ArraySlice<Int32> {
        let template = tokenizer.templateIDs
        var middle = ids[...]
        guard !noSpecialTokens else { return middle }
        if middle.starts(with: template.prefix) { middle = middle.dropFirst(template.prefix.count) }
        if middle.suffix(template.suffix.count).elementsEqual(template.suffix) {
            middle = middle.dropLast(template.suffix.count)
        }
        return middle
    }

    private func decoded(_ value: JSONValue, _ tokenizer: Tokenizer, _ line: Int) throws(Failure) -> String {
        guard let values = value.array else {
            throw Failure(
                .badData, "a JSON array of ids is expected on each line, not \(value.kindName)", at: place(line))
        }
        var ids: [Int32] = []
        ids.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            guard let id = value.integer.flatMap({ Int32(exactly: $0) }), tokenizer.token(for: id) != nil else {
                throw Failure(
                    .badData,
                    "\(JSONWriter.compact.string(value)) is no id of this tokenizer, whose ids are below \(tokenizer.vocabularySize)",
                    at: place(line, field: "[\(index)]"))
            }
            ids.append(id)
        }
        let text = tokenizer.decode(withoutTemplate(ids, tokenizer), skipSpecialTokens: false)
        return JSONWriter.compact.string(.string(text))
    }
}

extension ControlText: ExpressibleByArgument {}

/// Lines of results, written in blocks; with `--json` they are the elements of one array.
private struct ResultLines {
    private static let blockByteCount = 1 << 16

    private let console: Console
    private var text = ""
    private var count = 0

    init(console: Console) { self.console = console }

    /// Adds one JSON text.
    mutating func add(_ line: String) throws(Failure) {
        if console.isJSON { text += count == 0 ? "[\n" : ",\n" }
        text += line
        if !console.isJSON { text += "\n" }
        count += 1
        if text.utf8.count >= Self.blockByteCount { try flush() }
    }

    mutating func finish() throws(Failure) {
        if console.isJSON { text += count == 0 ? "[]\n" : "\n]\n" }
        try flush()
    }

    private mutating func flush() throws(Failure) {
        try console.write(text)
        text = ""
    }
}
