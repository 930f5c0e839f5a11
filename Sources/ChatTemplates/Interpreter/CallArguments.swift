/// The values that something is called with.
struct CallArguments {
    var positional: [Value] = []
    var keyword: [(name: String, value: Value)] = []
    /// What `caller()` calls, in a macro that a `call` block calls.
    var caller: MacroValue?

    /// The values of parameters, nil for those not given.
    ///
    /// - Parameter required: how many of them must be given.
    /// - Throws: for too many values, unknown names, or missing ones.
    func bind(_ function: String, _ names: [String], required: Int = 0) throws(TemplateError) -> BoundArguments {
        guard positional.count <= names.count else {
            throw TemplateError("\(function)() takes at most \(names.count) arguments (\(positional.count) given)")
        }
        var values = [Value?](repeating: nil, count: names.count)
        for (index, value) in positional.enumerated() { values[index] = value }
        for (name, value) in keyword {
            guard let index = names.firstIndex(of: name), values[index] == nil else {
                throw TemplateError("\(function)() got an unexpected argument '\(name)'")
            }
            values[index] = value
        }
        if let missing = values.prefix(required).firstIndex(where: { $0 == nil }) {
            throw TemplateError("\(function)() misses the argument '\(names[missing])'")
        }
        return BoundArguments(function: function, names: names, values: values)
    }
}

/// Values by parameter.
struct BoundArguments {
    let function: String
    let names: [String]
    let values: [Value?]

    subscript(index: Int) -> Value? { values[index] }

    /// The value unless it is None or was not given.
    private func given(_ index: Int) -> Value? {
        if case .some(.none) = values[index] { return nil }
        return values[index]
    }

    private func mismatch(_ index: Int, _ expected: String) -> TemplateError {
        TemplateError(
            "\(function)() takes \(expected) as '\(names[index])', not \(values[index]?.typeName ?? "nothing")")
    }

    func integer(_ index: Int) throws(TemplateError) -> Int? {
        guard let value = given(index) else { return nil }
        guard let integer = value.integer else { throw mismatch(index, "an integer") }
        return integer
    }

    func text(_ index: Int) throws(TemplateError) -> TaggedText? {
        guard let value = given(index) else { return nil }
        guard let text = value.string else { throw mismatch(index, "a string") }
        return text
    }

    func truth(_ index: Int, default standard: Bool = false) -> Bool { values[index]?.isTrue ?? standard }
}
