package import System

/// A chat template: a program in the part of Jinja2 that chat templates use, with the environment of transformers
/// (`trim_blocks`, `lstrip_blocks`, `break` and `continue`, `tojson`, `raise_exception`, `strftime_now`,
/// `{% generation %}`). It is read strictly, runs within `TemplateLimits`, and can reach nothing but the conversation.
package struct ChatTemplate: Sendable {
    /// The name or file, for messages.
    package let name: String
    /// The text of the template.
    package let source: String
    /// Whether the template marks what the assistant says.
    package let marksGeneration: Bool

    private let body: [Statement]
    private let scalars: [UInt32]

    /// Reads a template.
    ///
    /// - Throws: `badData` where it is no template, `unsupported` for a construct that is not known here; with line and
    ///   column.
    package init(_ source: String, name: String) throws(Failure) {
        self.name = name
        self.source = source
        var lexer: Lexer
        do throws(TemplateError) {
            lexer = try Lexer(source)
        } catch { throw error.failure(in: [], named: name) }
        scalars = lexer.source
        do throws(TemplateError) {
            let tokens = try lexer.tokenize()
            marksGeneration = zip(tokens, tokens.dropFirst()).contains {
                $0.kind == .blockBegin && $1.kind == .name("generation")
            }
            var parser = StatementParser(tokens)
            body = try parser.template()
        } catch { throw error.failure(in: scalars, named: name) }
    }

    /// Renders with the variables of a context.
    ///
    /// - Throws: `badData` where the template refuses the conversation, runs into an error or out of its limits;
    ///   `unsupported` for a construct that is not known here; with line and column.
    func render(
        _ context: [String: Value], date: TemplateDate, limits: TemplateLimits = TemplateLimits()
    ) throws(Failure) -> TaggedText {
        do throws(TemplateError) {
            let text = try Interpreter(limits: limits, date: date).render(body, context: context)
            guard text.byteCount <= limits.textLength else {
                throw TemplateError("the template makes a text of more than \(limits.textLength) bytes")
            }
            return text
        } catch { throw error.failure(in: scalars, named: name) }
    }
}

extension TaggedText {
    /// Bytes of the text in UTF-8.
    var byteCount: Int { units.reduce(0) { $0 + Self.byteCount($1) } }

    static func byteCount(_ unit: UInt32) -> Int {
        switch unit & scalarMask {
        case 0..<0x80: 1
        case 0x80..<0x800: 2
        case 0x800..<0x1_0000: 3
        default: 4
        }
    }

    /// The bytes that ranges of scalars cover; ranges ascend and do not overlap.
    func byteRanges(_ ranges: [Range<Int>]) -> [Range<Int>] {
        var result: [Range<Int>] = [], index = 0, offset = 0
        func advance(to end: Int) -> Int {
            while index < end {
                offset += Self.byteCount(units[index])
                index += 1
            }
            return offset
        }
        for range in ranges {
            let start = advance(to: range.lowerBound)
            result.append(start..<advance(to: range.upperBound))
        }
        return result
    }

    /// The runs of scalars for which something holds.
    func runs(_ isIncluded: (UInt32) -> Bool) -> [Range<Int>] {
        var runs: [Range<Int>] = [], start: Int?
        for (index, unit) in units.enumerated() {
            if isIncluded(unit) {
                start = start ?? index
            } else if let begun = start {
                runs.append(begun..<index)
                start = nil
            }
        }
        if let start { runs.append(start..<count) }
        return runs
    }
}
