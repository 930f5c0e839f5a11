/// Methods of strings. A new one is one line here.
enum TextMethods {
    typealias Method = @Sendable (TaggedText, CallArguments, Interpreter) throws(TemplateError) -> Value

    static let all: [String: Method] = [
        "strip": { (text, arguments, _) throws(TemplateError) in try strip("strip", text, arguments) },
        "lstrip": { (text, arguments, _) throws(TemplateError) in
            try strip("lstrip", text, arguments, right: false)
        },
        "rstrip": { (text, arguments, _) throws(TemplateError) in try strip("rstrip", text, arguments, left: false) },
        "split": { (text, arguments, _) throws(TemplateError) in try split("split", text, arguments) },
        "rsplit": { (text, arguments, _) throws(TemplateError) in try split("rsplit", text, arguments) },
        "splitlines": { (text, arguments, _) throws(TemplateError) in
            list(text.lines(keepingEnds: try arguments.bind("splitlines", ["keepends"]).truth(0)))
        },
        "partition": { (text, arguments, _) throws(TemplateError) in try partition("partition", text, arguments) },
        "rpartition": { (text, arguments, _) throws(TemplateError) in try partition("rpartition", text, arguments) },
        "startswith": { (text, arguments, _) throws(TemplateError) in
            try affix("startswith", arguments) { text.hasPrefix($0) }
        },
        "endswith": { (text, arguments, _) throws(TemplateError) in
            try affix("endswith", arguments) { text.hasSuffix($0) }
        },
        "removeprefix": { (text, arguments, _) throws(TemplateError) in
            let prefix = try part("removeprefix", arguments)
            return .string(text.hasPrefix(prefix) ? text[prefix.count..<text.count] : text)
        },
        "removesuffix": { (text, arguments, _) throws(TemplateError) in
            let suffix = try part("removesuffix", arguments)
            return .string(text.hasSuffix(suffix) && !suffix.isEmpty ? text[0..<text.count - suffix.count] : text)
        },
        "find": { (text, arguments, _) throws(TemplateError) in
            .integer(text.firstIndex(of: try part("find", arguments)) ?? -1)
        },
        "rfind": { (text, arguments, _) throws(TemplateError) in
            .integer(text.lastIndex(of: try part("rfind", arguments)) ?? -1)
        },
        "index": { (text, arguments, _) throws(TemplateError) in
            guard let index = text.firstIndex(of: try part("index", arguments)) else {
                throw TemplateError("substring not found")
            }
            return .integer(index)
        },
        "count": { (text, arguments, _) throws(TemplateError) in
            .integer(text.occurrences(of: try part("count", arguments)).count)
        },
        "replace": { (text, arguments, interpreter) throws(TemplateError) in
            let bound = try arguments.bind("replace", ["old", "new", "count"], required: 2)
            let limit = try bound.integer(2) ?? -1
            return .string(
                try interpreter.budget.replaced(
                    text, try bound.text(0) ?? TaggedText(), by: try bound.text(1) ?? TaggedText(),
                    limit: limit < 0 ? .max : limit))
        },
        "join": { (text, arguments, interpreter) throws(TemplateError) in
            var parts: [TaggedText] = []
            let values = try arguments.bind("join", ["iterable"], required: 1)[0] ?? .none
            for (index, element) in try values.elements(interpreter.budget).enumerated() {
                guard let part = element.string else {
                    throw TemplateError("sequence item \(index): expected str instance, \(element.typeName) found")
                }
                parts.append(part)
            }
            return .string(try interpreter.budget.joined(parts, by: text))
        },
        "format": { (text, arguments, interpreter) throws(TemplateError) in
            .string(try BraceFormat.apply(text, arguments, interpreter))
        },
        "upper": { (text, _, _) throws(TemplateError) in .string(text.uppercased()) },
        "lower": { (text, _, _) throws(TemplateError) in .string(text.lowercased()) },
        "casefold": { (text, _, _) throws(TemplateError) in .string(text.lowercased()) },
        "title": { (text, _, _) throws(TemplateError) in .string(text.titlecased()) },
        "capitalize": { (text, _, _) throws(TemplateError) in .string(text.capitalized()) },
        "isdigit": { (text, _, _) throws(TemplateError) in
            .bool(text.consists { $0.properties.numericType == .decimal || $0.properties.numericType == .digit })
        },
        "isdecimal": { (text, _, _) throws(TemplateError) in
            .bool(text.consists { $0.properties.numericType == .decimal })
        },
        "isnumeric": { (text, _, _) throws(TemplateError) in
            .bool(text.consists { $0.properties.numericType != nil })
        },
        "isalpha": { (text, _, _) throws(TemplateError) in .bool(text.consists(\.isLetter)) },
        "isalnum": { (text, _, _) throws(TemplateError) in
            .bool(text.consists { $0.isLetter || $0.properties.numericType != nil })
        },
        "isspace": { (text, _, _) throws(TemplateError) in
            .bool(text.consists { TaggedText.isSpace($0.value) })
        },
        "isupper": { (text, _, _) throws(TemplateError) in .bool(text.isUpper) },
        "islower": { (text, _, _) throws(TemplateError) in .bool(text.isLower) },
        "zfill": { (text, arguments, interpreter) throws(TemplateError) in
            let width = try arguments.bind("zfill", ["width"], required: 1).integer(0) ?? 0
            let sign = text.units.first.map { $0 & TaggedText.scalarMask == 0x2D || $0 & TaggedText.scalarMask == 0x2B }
            let split = sign == true ? 1 : 0
            let zeros = try interpreter.budget.repeated(TaggedText("0"), width - text.count)
            return .string(text[0..<split] + zeros + text[split..<text.count])
        },
        "ljust": { (text, arguments, interpreter) throws(TemplateError) in
            try justify("ljust", text, arguments, interpreter.budget)
        },
        "rjust": { (text, arguments, interpreter) throws(TemplateError) in
            try justify("rjust", text, arguments, interpreter.budget)
        },
        "center": { (text, arguments, interpreter) throws(TemplateError) in
            try justify("center", text, arguments, interpreter.budget)
        },
    ]

    // MARK: Shared by several

    /// Texts cannot be nested too deeply, so the list can always be made.
    static func list(_ parts: [TaggedText], kind: ValueSequence.Kind = .list) -> Value {
        guard let sequence = try? ValueSequence(parts.map { .string($0) }, kind: kind) else {
            fatalError("a list of texts is refused")
        }
        return .sequence(sequence)
    }

    private static func part(_ name: String, _ arguments: CallArguments) throws(TemplateError) -> TaggedText {
        guard let text = try arguments.bind(name, ["sub"], required: 1).text(0) else {
            throw TemplateError("\(name)() takes a string, not NoneType")
        }
        return text
    }

    private static func strip(
        _ name: String, _ text: TaggedText, _ arguments: CallArguments, left: Bool = true, right: Bool = true
    ) throws(TemplateError) -> Value {
        .string(text.stripped(try arguments.bind(name, ["chars"]).text(0), left: left, right: right))
    }

    private static func split(_ name: String, _ text: TaggedText, _ arguments: CallArguments) throws(TemplateError)
        -> Value
    {
        let bound = try arguments.bind(name, ["sep", "maxsplit"])
        let wanted = try bound.integer(1) ?? -1
        let limit = wanted < 0 ? Int.max : wanted
        guard let separator = try bound.text(0) else {
            guard name == "split" || limit == .max else { throw .unsupported("rsplit() at white space with a limit") }
            return list(text.splitAtSpace(limit: limit))
        }
        guard !separator.isEmpty else { throw TemplateError("empty separator") }
        return list(
            name == "split"
                ? text.split(at: separator, limit: limit) : text.splitFromEnd(at: separator, limit: limit))
    }

    private static func partition(_ name: String, _ text: TaggedText, _ arguments: CallArguments)
        throws(TemplateError) -> Value
    {
        let separator = try part(name, arguments)
        guard !separator.isEmpty else { throw TemplateError("empty separator") }
        let isFirst = name == "partition"
        guard let index = isFirst ? text.firstIndex(of: separator) : text.lastIndex(of: separator) else {
            return list(
                isFirst ? [text, TaggedText(), TaggedText()] : [TaggedText(), TaggedText(), text], kind: .tuple)
        }
        let end = index + separator.count
        return list([text[0..<index], text[index..<end], text[end..<text.count]], kind: .tuple)
    }

    private static func affix(_ name: String, _ arguments: CallArguments, _ matches: (TaggedText) -> Bool)
        throws(TemplateError) -> Value
    {
        let value = try arguments.bind(name, ["affix"], required: 1)[0] ?? .none
        if let text = value.string { return .bool(matches(text)) }
        if case .sequence(let sequence) = value, sequence.kind == .tuple {
            return .bool(sequence.elements.contains { $0.string.map(matches) ?? false })
        }
        throw TemplateError("\(name) first arg must be str or a tuple of str, not \(value.typeName)")
    }

    private static func justify(
        _ name: String, _ text: TaggedText, _ arguments: CallArguments, _ budget: Budget
    ) throws(TemplateError) -> Value {
        let bound = try arguments.bind(name, ["width", "fillchar"], required: 1)
        let fill = try bound.text(1) ?? TaggedText(" ")
        let missing = (try bound.integer(0) ?? 0) - text.count
        guard missing > 0 else { return .string(text) }
        guard fill.count == 1 else { throw TemplateError("the fill character must be exactly one character long") }
        let width = text.count + missing
        // Python puts the odd space of `center` to the left where the width is odd.
        let left = name == "ljust" ? 0 : name == "rjust" ? missing : missing / 2 + (missing & width & 1)
        return .string(try budget.repeated(fill, left) + text + budget.repeated(fill, missing - left))
    }
}

extension TaggedText {
    /// Whether there is a scalar and all are of a kind.
    func consists(_ isOfKind: (Unicode.Scalar) -> Bool) -> Bool {
        !isEmpty && units.allSatisfy { isOfKind(Self.scalar($0)) }
    }

    /// `str.isupper`: there is a cased letter, and none in lower case.
    var isUpper: Bool { isCased { $0.properties.isLowercase } }
    /// `str.islower`.
    var isLower: Bool { isCased { $0.properties.isUppercase } }

    private func isCased(_ isOther: (Unicode.Scalar) -> Bool) -> Bool {
        let scalars = units.map(Self.scalar)
        return scalars.contains { $0.properties.isCased } && !scalars.contains(where: isOther)
    }
}

extension Unicode.Scalar {
    /// `str.isalpha` of one character.
    var isLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }
}

extension Budget {
    /// `text.replace`, refused before it becomes too long.
    func replaced(_ text: TaggedText, _ old: TaggedText, by new: TaggedText, limit: Int) throws(TemplateError)
        -> TaggedText
    {
        let found = old.isEmpty ? text.count + 1 : text.occurrences(of: old).count
        let (growth, overflow) = min(found, limit).multipliedReportingOverflow(by: max(0, new.count - old.count))
        try checkLength(overflow ? .max : text.count + growth)
        return try checked(text.replacing(old, by: new, limit: limit))
    }

    /// `separator.join(parts)`, refused before it becomes too long.
    func joined(_ parts: [TaggedText], by separator: TaggedText) throws(TemplateError) -> TaggedText {
        var count = 0
        for part in parts {
            count += part.count + separator.count
            try checkLength(count - separator.count)
        }
        return try checked(separator.joining(parts))
    }
}
