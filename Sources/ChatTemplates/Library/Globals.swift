/// The names that every template finds.
enum Globals {
    private static let names = [
        "range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now",
    ]

    static var all: [String: Value] {
        Dictionary(uniqueKeysWithValues: names.map { ($0, .callable(.global($0))) })
    }

    static func call(_ name: String, _ arguments: CallArguments, _ interpreter: Interpreter) throws(TemplateError)
        -> Value
    {
        let budget = interpreter.budget
        switch name {
        case "range": return .sequence(try range(arguments, budget))
        case "dict": return .dictionary(try dictionary(arguments))
        case "namespace":
            let namespace = Namespace()
            let members = try dictionary(arguments)
            for (key, value) in zip(members.keys, members.values) { try namespace.set(key.string?.string ?? "", value) }
            return .namespace(namespace)
        case "cycler":
            guard !arguments.positional.isEmpty else { throw TemplateError("at least one item has to be provided") }
            return .callable(.cycler(Cycler(arguments.positional)))
        case "joiner":
            return .callable(.joiner(Joiner(try arguments.bind(name, ["sep"])[0] ?? .text(", "))))
        case "raise_exception":
            let message = try interpreter.text(of: try arguments.bind(name, ["message"], required: 1)[0] ?? .none)
            throw TemplateError(message.string, remedy: "Change the conversation, or use another template")
        case "strftime_now":
            let format = try arguments.bind(name, ["format"], required: 1).text(0) ?? TaggedText()
            return .string(TaggedText(try interpreter.date.formatted(format.string)))
        default: throw .unsupported("there is no function '\(name)'")
        }
    }

    private static func range(_ arguments: CallArguments, _ budget: Budget) throws(TemplateError) -> ValueSequence {
        let bound = try arguments.bind("range", ["start", "stop", "step"], required: 1)
        let first = try bound.integer(0) ?? 0, second = try bound.integer(1), step = try bound.integer(2) ?? 1
        guard step != 0 else { throw TemplateError("range() arg 3 must not be zero") }
        let start = second == nil ? 0 : first, stop = second ?? first
        let (span, overflow) = stop.subtractingReportingOverflow(start)
        let count =
            overflow ? .max : step > 0 ? (span > 0 ? (span - 1) / step + 1 : 0) : span < 0 ? (span + 1) / step + 1 : 0
        guard count <= budget.limits.rangeCount else {
            throw TemplateError("range() gives more than \(budget.limits.rangeCount) numbers")
        }
        try budget.spend(elements: count)
        return try ValueSequence((0..<count).map { .integer(start + $0 * step) }, kind: .range)
    }

    /// `dict(pairs, name=value)`.
    private static func dictionary(_ arguments: CallArguments) throws(TemplateError) -> ValueDictionary {
        let result = ValueDictionary()
        guard arguments.positional.count <= 1 else { throw TemplateError("dict expected at most 1 argument") }
        switch arguments.positional.first {
        case nil: break
        case .dictionary(let dictionary):
            for (key, value) in zip(dictionary.keys, dictionary.values) { try result.add(key, value) }
        case .sequence(let sequence):
            for element in sequence.elements {
                guard case .sequence(let pair) = element, pair.elements.count == 2 else {
                    throw TemplateError("dict() takes pairs of a key and a value")
                }
                try result.add(pair.elements[0], pair.elements[1])
            }
        case .some(let value): throw TemplateError("'\(value.typeName)' object is not iterable")
        }
        for (name, value) in arguments.keyword { try result.add(.text(name), value) }
        return result
    }
}
