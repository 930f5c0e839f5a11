extension Filters {
    /// Filters of lists and objects.
    static let sequences: [String: Filter] = [
        "length": { (_, value, _) throws(TemplateError) in .integer(try value.length()) },
        "count": { (_, value, _) throws(TemplateError) in .integer(try value.length()) },
        "list": { (interpreter, value, _) throws(TemplateError) in
            try list(try value.elements(interpreter.budget), .list, interpreter)
        },
        "first": { (interpreter, value, _) throws(TemplateError) in
            try value.elements(interpreter.budget).first
                ?? .undefined(.other("No first item, sequence was empty."))
        },
        "last": { (interpreter, value, _) throws(TemplateError) in
            try value.elements(interpreter.budget).last ?? .undefined(.other("No last item, sequence was empty."))
        },
        "reverse": { (interpreter, value, _) throws(TemplateError) in
            if case .string(let text) = value { return .string(text.reversed()) }
            return try list(try value.elements(interpreter.budget).reversed(), .generator, interpreter)
        },
        "items": { (interpreter, value, _) throws(TemplateError) in
            switch value {
            case .undefined: return try list([], .generator, interpreter)
            case .dictionary(let dictionary):
                return try list(try Methods.pairs(of: dictionary), .generator, interpreter)
            default: throw TemplateError("Can only get item pairs from a mapping.")
            }
        },
        "dictsort": { (interpreter, value, arguments) throws(TemplateError) in
            guard case .dictionary(let dictionary) = value else {
                throw TemplateError("dictsort() takes an object, not \(value.typeName)")
            }
            let bound = try arguments.bind("dictsort", ["case_sensitive", "by", "reverse"])
            let by = try bound.text(1)?.string ?? "key"
            guard by == "key" || by == "value" else {
                throw TemplateError("You can only sort by either \"key\" or \"value\"")
            }
            let keys = by == "key" ? dictionary.keys : dictionary.values
            let sorted = try Sorting.sorted(
                try Methods.pairs(of: dictionary), by: bound.truth(0) ? keys : keys.map(Sorting.withoutCase),
                isReversed: bound.truth(2), interpreter.budget)
            return try list(sorted, .list, interpreter)
        },
        "sort": { (interpreter, value, arguments) throws(TemplateError) in
            let bound = try arguments.bind("sort", ["reverse", "case_sensitive", "attribute"])
            let elements = try value.elements(interpreter.budget)
            let keys = try Sorting.keys(
                elements, attribute: bound[2], isCaseSensitive: bound.truth(1), interpreter.budget)
            return try list(
                try Sorting.sorted(elements, by: keys, isReversed: bound.truth(0), interpreter.budget), .list,
                interpreter)
        },
        "unique": { (interpreter, value, arguments) throws(TemplateError) in
            let bound = try arguments.bind("unique", ["case_sensitive", "attribute"])
            let elements = try value.elements(interpreter.budget)
            let keys = try Sorting.keys(
                elements, attribute: bound[1], isCaseSensitive: bound.truth(0), interpreter.budget)
            var seen: Set<HashableValue> = [], kept: [Value] = []
            for (element, key) in zip(elements, keys) where seen.insert(try HashableValue(key)).inserted {
                kept.append(element)
            }
            return try list(kept, .generator, interpreter)
        },
        "min": { (interpreter, value, arguments) throws(TemplateError) in
            try extreme("min", value, arguments, interpreter.budget) { $0.first }
        },
        "max": { (interpreter, value, arguments) throws(TemplateError) in
            try extreme("max", value, arguments, interpreter.budget) { $0.first }
        },
        "sum": { (interpreter, value, arguments) throws(TemplateError) in
            let bound = try arguments.bind("sum", ["attribute", "start"])
            var total = bound[1] ?? .integer(0)
            for element in try value.elements(interpreter.budget) {
                let part = try bound[0].map { (path) throws(TemplateError) in
                    try Attributes.path(path, of: element, interpreter.budget)
                }
                total = try Value.binary(.add, total, part ?? element, interpreter.budget)
            }
            return total
        },
        "join": { (interpreter, value, arguments) throws(TemplateError) in
            let bound = try arguments.bind("join", ["d", "attribute"])
            var parts: [TaggedText] = []
            for element in try value.elements(interpreter.budget) {
                let part = try bound[1].map { (path) throws(TemplateError) in
                    try Attributes.path(path, of: element, interpreter.budget)
                }
                parts.append(try interpreter.text(of: part ?? element))
            }
            return .string(
                try interpreter.budget.joined(
                    parts,
                    by: try bound[0].map { (value) throws(TemplateError) in try interpreter.text(of: value) }
                        ?? TaggedText()))
        },
        "batch": { (interpreter, value, arguments) throws(TemplateError) in
            let bound = try arguments.bind("batch", ["linecount", "fill_with"], required: 1)
            let count = try bound.integer(0) ?? 0
            guard count > 0 else { throw TemplateError("batch() takes a count above 0") }
            let elements = try value.elements(interpreter.budget)
            try interpreter.budget.spend(elements: elements.count)
            var batches: [Value] = []
            for start in stride(from: 0, to: elements.count, by: count) {
                var part = Array(elements[start..<min(start + count, elements.count)])
                if let fill = bound[1], part.count < count {
                    try interpreter.budget.spend(elements: count)
                    part += Array(repeating: fill, count: min(count - part.count, interpreter.budget.limits.rangeCount))
                }
                batches.append(.sequence(try ValueSequence(part)))
            }
            return try list(batches, .generator, interpreter)
        },
    ]

    static func list(_ elements: [Value], _ kind: ValueSequence.Kind, _ interpreter: Interpreter) throws(TemplateError)
        -> Value
    {
        try interpreter.budget.spend(elements: elements.count)
        return .sequence(try ValueSequence(elements, kind: kind))
    }

    private static func extreme(
        _ name: String, _ value: Value, _ arguments: CallArguments, _ budget: Budget, _ choose: ([Value]) -> Value?
    ) throws(TemplateError) -> Value {
        let bound = try arguments.bind(name, ["case_sensitive", "attribute"])
        let elements = try value.elements(budget)
        let keys = try Sorting.keys(elements, attribute: bound[1], isCaseSensitive: bound.truth(0), budget)
        let sorted = try Sorting.sorted(elements, by: keys, isReversed: name == "max", budget)
        return choose(sorted) ?? .undefined(.other("No aggregated item, sequence was empty."))
    }
}

/// Sorting as Python's `sorted` does it: stable, and an error where two values have no order.
enum Sorting {
    /// Strings in lower case, other values as they are.
    static func withoutCase(_ value: Value) -> Value { value.string.map { .string($0.lowercased()) } ?? value }

    /// What elements are compared by.
    static func keys(_ elements: [Value], attribute: Value?, isCaseSensitive: Bool, _ budget: Budget)
        throws(TemplateError) -> [Value]
    {
        var keys: [Value] = []
        for element in elements {
            var key = element
            if let attribute, attribute.isTrue || attribute.integer != nil {
                key = try Attributes.path(attribute, of: element, budget)
            }
            try budget.spend(scalars: key.string?.count ?? 0)
            keys.append(isCaseSensitive ? key : withoutCase(key))
        }
        return keys
    }

    /// Merge sort: every comparison may throw. Equal elements keep their order, reversed or not.
    static func sorted(_ elements: [Value], by keys: [Value], isReversed: Bool, _ budget: Budget)
        throws(TemplateError) -> [Value]
    {
        var order = Array(elements.indices), buffer = order
        var width = 1
        while width < order.count {
            for start in stride(from: 0, to: order.count, by: 2 * width) {
                let middle = min(start + width, order.count), end = min(start + 2 * width, order.count)
                var left = start, right = middle
                for index in start..<end {
                    var takesRight = left == middle
                    if left < middle, right < end {
                        takesRight =
                            isReversed
                            ? try keys[order[left]].isLess(than: keys[order[right]], "<", budget)
                            : try keys[order[right]].isLess(than: keys[order[left]], "<", budget)
                    }
                    buffer[index] = order[takesRight ? right : left]
                    if takesRight { right += 1 } else { left += 1 }
                }
            }
            swap(&order, &buffer)
            width *= 2
        }
        return order.map { elements[$0] }
    }
}
