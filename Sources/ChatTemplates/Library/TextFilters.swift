extension Filters {
    /// Filters of texts; other values are printed first.
    static let texts: [String: Filter] = [
        "trim": { (interpreter, value, arguments) throws(TemplateError) in
            .string(try text(value, interpreter).stripped(try arguments.bind("trim", ["chars"]).text(0)))
        },
        "upper": { (interpreter, value, _) throws(TemplateError) in .string(try text(value, interpreter).uppercased())
        },
        "lower": { (interpreter, value, _) throws(TemplateError) in .string(try text(value, interpreter).lowercased())
        },
        "capitalize": { (interpreter, value, _) throws(TemplateError) in
            .string(try text(value, interpreter).capitalized())
        },
        "title": { (interpreter, value, _) throws(TemplateError) in .string(title(try text(value, interpreter))) },
        "replace": { (interpreter, value, arguments) throws(TemplateError) in
            let bound = try arguments.bind("replace", ["s", "new", "count"], required: 2)
            let limit = try bound.integer(2) ?? -1
            return .string(
                try interpreter.budget.replaced(
                    try text(value, interpreter), try interpreter.text(of: bound[0] ?? .none),
                    by: try interpreter.text(of: bound[1] ?? .none), limit: limit < 0 ? .max : limit))
        },
        "indent": { (interpreter, value, arguments) throws(TemplateError) in
            try indented(value, arguments, interpreter)
        },
        "center": { (interpreter, value, arguments) throws(TemplateError) in
            let width = try arguments.bind("center", ["width"])[0] ?? .integer(80)
            return try Methods.call(
                "center", of: .string(try text(value, interpreter)), CallArguments(positional: [width]), interpreter)
        },
        "format": { (interpreter, value, arguments) throws(TemplateError) in
            let values: Value =
                arguments.keyword.isEmpty
                ? .sequence(try ValueSequence(arguments.positional, kind: .tuple))
                : .dictionary(try ValueDictionary(arguments.keyword.map { (.text($0.name), $0.value) }))
            return .string(try PrintfFormat.apply(try text(value, interpreter), values, interpreter.budget))
        },
        "escape": { (interpreter, value, _) throws(TemplateError) in
            .string(try escaped(try text(value, interpreter), interpreter.budget))
        },
        "e": { (interpreter, value, _) throws(TemplateError) in
            .string(try escaped(try text(value, interpreter), interpreter.budget))
        },
        "wordcount": { (interpreter, value, _) throws(TemplateError) in
            let words = try text(value, interpreter).units.split { unit in
                let scalar = TaggedText.scalar(unit)
                return !(scalar.isLetter || scalar.properties.numericType != nil || scalar == "_")
            }
            return .integer(words.count)
        },
    ]

    /// A value as text, its length charged: every filter here makes a text of about that length.
    private static func text(_ value: Value, _ interpreter: Interpreter) throws(TemplateError) -> TaggedText {
        let text = try interpreter.text(of: value)
        try interpreter.budget.spend(scalars: text.count * 2)
        return text
    }

    /// Words begin after white space, hyphens and opening brackets.
    private static func title(_ text: TaggedText) -> TaggedText {
        var result: [UInt32] = [], word: [UInt32] = []
        func isBreak(_ unit: UInt32) -> Bool {
            TaggedText.isSpace(unit) || "-({[<".unicodeScalars.contains(TaggedText.scalar(unit))
        }
        func finish() {
            guard let first = word.first else { return }
            result += TaggedText(units: [first]).uppercased().units
            result += TaggedText(units: Array(word.dropFirst())).lowercased().units
            word = []
        }
        for unit in text.units {
            guard isBreak(unit) else {
                word.append(unit)
                continue
            }
            finish()
            result.append(unit)
        }
        finish()
        return TaggedText(units: result)
    }

    private static func indented(_ value: Value, _ arguments: CallArguments, _ interpreter: Interpreter)
        throws(TemplateError) -> Value
    {
        let bound = try arguments.bind("indent", ["width", "first", "blank"])
        let budget = interpreter.budget
        let indentation: TaggedText =
            if let text = bound[0]?.string { text } else {
                try budget.repeated(TaggedText(" "), try bound.integer(0) ?? 4)
            }
        let indentsBlank = bound.truth(2)
        let lines = (try text(value, interpreter) + TaggedText("\n")).lines()
        var result: [TaggedText] = []
        for (index, line) in lines.enumerated() {
            let isIndented = index == 0 ? bound.truth(1) : indentsBlank || !line.isEmpty
            result.append(isIndented ? indentation + line : line)
            try budget.spend(scalars: line.count + indentation.count)
        }
        return .string(try budget.joined(result, by: TaggedText("\n")))
    }

    private static func escaped(_ text: TaggedText, _ budget: Budget) throws(TemplateError) -> TaggedText {
        var result = text
        for (old, new) in [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;")] {
            result = try budget.replaced(result, TaggedText(old), by: TaggedText(new), limit: .max)
        }
        return result
    }
}
