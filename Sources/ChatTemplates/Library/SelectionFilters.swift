extension Filters {
    /// Filters that apply filters, tests or members to every element.
    static let selections: [String: Filter] = [
        "map": { (interpreter, value, arguments) throws(TemplateError) in
            let elements = value.isTrue ? try value.elements(interpreter.budget) : []
            var results: [Value] = []
            if arguments.positional.isEmpty {
                var named = arguments
                let attribute = named.takeKeyword("attribute"), standard = named.takeKeyword("default")
                guard let attribute, named.keyword.isEmpty else {
                    throw TemplateError("map requires a filter argument")
                }
                for element in elements {
                    let member = try Attributes.path(attribute, of: element, interpreter.budget)
                    results.append(member.isUndefined ? standard ?? member : member)
                }
            } else {
                var rest = arguments
                let name = rest.positional.removeFirst().string?.string ?? ""
                guard let filter = all[name] else { throw .unsupported("there is no filter '\(name)'") }
                for element in elements {
                    try interpreter.budget.spend(1)
                    results.append(try filter(interpreter, element, rest))
                }
            }
            return try list(results, .generator, interpreter)
        },
        "select": { (interpreter, value, arguments) throws(TemplateError) in
            try selected(value, arguments, byMember: false, keeps: true, interpreter)
        },
        "reject": { (interpreter, value, arguments) throws(TemplateError) in
            try selected(value, arguments, byMember: false, keeps: false, interpreter)
        },
        "selectattr": { (interpreter, value, arguments) throws(TemplateError) in
            try selected(value, arguments, byMember: true, keeps: true, interpreter)
        },
        "rejectattr": { (interpreter, value, arguments) throws(TemplateError) in
            try selected(value, arguments, byMember: true, keeps: false, interpreter)
        },
    ]

    /// Elements that pass a test, themselves or by a member; without a test, those that are true.
    private static func selected(
        _ value: Value, _ arguments: CallArguments, byMember: Bool, keeps: Bool, _ interpreter: Interpreter
    ) throws(TemplateError) -> Value {
        let budget = interpreter.budget
        var rest = arguments
        var path: Value?
        if byMember {
            guard !rest.positional.isEmpty else { throw TemplateError("Missing parameter for attribute name") }
            path = rest.positional.removeFirst()
        }
        var test: ValueTest?
        if !rest.positional.isEmpty {
            let name = rest.positional.removeFirst().string?.string ?? ""
            guard let found = ValueTest(named: name) else { throw .unsupported("there is no test '\(name)'") }
            test = found
        }
        var kept: [Value] = []
        // What is false has no elements here, whatever it is: none and 0 too.
        for element in value.isTrue ? try value.elements(budget) : [] {
            try budget.spend(1)
            let subject = try path.map { (path) throws(TemplateError) in
                try Attributes.path(path, of: element, budget)
            }
            let passes =
                try test.map { (test) throws(TemplateError) in try test.holds(subject ?? element, rest, interpreter) }
                ?? (subject ?? element).isTrue
            if passes == keeps { kept.append(element) }
        }
        return try list(kept, .generator, interpreter)
    }
}

extension CallArguments {
    mutating func takeKeyword(_ name: String) -> Value? {
        keyword.firstIndex { $0.name == name }.map { keyword.remove(at: $0).value }
    }
}
