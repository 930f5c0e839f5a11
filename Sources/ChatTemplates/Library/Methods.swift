/// Methods of values: those of Python that change nothing.
enum Methods {
    static func exists(_ name: String, of value: Value) -> Bool {
        switch value {
        case .string: TextMethods.all[name] != nil
        case .dictionary: ["items", "keys", "values", "get", "copy"].contains(name)
        case .sequence(let sequence): sequence.kind.isIndexed && ["index", "count", "copy"].contains(name)
        case .callable(.global("dict")): name == "fromkeys"
        default: false
        }
    }

    static func call(_ name: String, of value: Value, _ arguments: CallArguments, _ interpreter: Interpreter)
        throws(TemplateError) -> Value
    {
        let budget = interpreter.budget
        switch value {
        case .string(let text):
            try budget.spend(scalars: text.count)
            guard let method = TextMethods.all[name] else { break }
            if name.hasSuffix("split") || name == "splitlines" {
                try budget.spend(elements: try partCount(text, arguments))
            }
            let result = try method(text, arguments, interpreter)
            if case .string(let made) = result { try budget.spend(scalars: made.count) }
            return result
        case .dictionary(let dictionary): return try call(name, of: dictionary, arguments, budget)
        case .sequence(let sequence):
            if name == "copy" { return value }
            let wanted = try arguments.bind(name, ["value"], required: 1)[0] ?? .none
            var count = 0
            for (index, element) in sequence.elements.enumerated() where try element.equals(wanted, budget) {
                if name == "index" { return .integer(index) }
                count += 1
            }
            guard name == "count" else { throw TemplateError("the value is not in the list") }
            return .integer(count)
        case .callable(.global("dict")):
            let bound = try arguments.bind(name, ["iterable", "value"], required: 1)
            let result = ValueDictionary()
            for key in try (bound[0] ?? .none).elements(budget) { try result.add(key, bound[1] ?? .none) }
            return .dictionary(result)
        default: break
        }
        throw TemplateError("'\(value.typeName)' object has no attribute '\(name)'")
    }

    private static func call(
        _ name: String, of dictionary: ValueDictionary, _ arguments: CallArguments, _ budget: Budget
    ) throws(TemplateError) -> Value {
        if name == "get" {
            let bound = try arguments.bind(name, ["key", "default"], required: 1)
            return try dictionary.value(bound[0] ?? .none) ?? bound[1] ?? .none
        }
        try budget.spend(elements: dictionary.count)
        switch name {
        case "keys": return .sequence(try ValueSequence(dictionary.keys, kind: .keys))
        case "values": return .sequence(try ValueSequence(dictionary.values, kind: .values))
        case "items": return .sequence(try ValueSequence(try pairs(of: dictionary), kind: .items))
        default: return .dictionary(dictionary)
        }
    }

    /// At most how many parts a text is split into.
    private static func partCount(_ text: TaggedText, _ arguments: CallArguments) throws(TemplateError) -> Int {
        if let separator = arguments.positional.first?.string, !separator.isEmpty {
            return text.occurrences(of: separator).count + 1
        }
        return text.count(where: TaggedText.isSpace) + 1
    }

    /// Pairs of key and value.
    static func pairs(of dictionary: ValueDictionary) throws(TemplateError) -> [Value] {
        var pairs: [Value] = []
        for (key, value) in zip(dictionary.keys, dictionary.values) {
            pairs.append(.sequence(try ValueSequence([key, value], kind: .tuple)))
        }
        return pairs
    }
}
