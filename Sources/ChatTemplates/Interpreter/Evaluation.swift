/// Expressions.
extension Interpreter {
    func evaluate(_ expression: Expression, _ scope: Scope) throws(TemplateError) -> Value {
        do throws(TemplateError) {
            try budget.enter()
            let value = try evaluate(expression.node, scope)
            budget.leave()
            return value
        } catch { throw error.at(expression.offset) }
    }

    private func evaluate(_ node: ExpressionNode, _ scope: Scope) throws(TemplateError) -> Value {
        switch node {
        case .undefined: .undefined(.other("nothing was given"))
        case .none: .none
        case .bool(let value): .bool(value)
        case .integer(let value): .integer(value)
        case .digits(let value): .digits(value)
        case .float(let value): .float(value)
        case .string(let units): .string(TaggedText(units: units))
        case .name(let name): scope.value(name) ?? .undefined(.name(name))
        case .list(let elements): .sequence(try sequence(elements, .list, scope))
        case .tuple(let elements): .sequence(try sequence(elements, .tuple, scope))
        case .dictionary(let members): try dictionary(members, scope)
        case .attribute(let base, let name):
            try Attributes.attribute(name, of: try evaluate(base, scope), budget)
        case .item(let base, let key):
            try Attributes.item(try evaluate(key, scope), of: try evaluate(base, scope), budget)
        case .slice(let base, let start, let end, let step): try slice(base, start, end, step, scope)
        case .call(let callee, let list): try call(callee, list, scope)
        case .filter(let base, let step): try filtered(try evaluate(base, scope), step, scope)
        case .test(let base, let test, let list):
            .bool(try test.holds(try evaluate(base, scope), try arguments(list, scope), self))
        case .negate(let operand): try Value.negated(try evaluate(operand, scope), true)
        case .plus(let operand): try Value.negated(try evaluate(operand, scope), false)
        case .not(let operand): .bool(!(try evaluate(operand, scope).isTrue))
        case .and(let left, let right): try either(left, right, whereTrue: true, scope)
        case .or(let left, let right): try either(left, right, whereTrue: false, scope)
        case .binary(let operation, let left, let right): try binary(operation, left, right, scope)
        case .concatenate(let parts): try concatenate(parts, scope)
        case .compare(let first, let rest): .bool(try compare(first, rest, scope))
        case .conditional(let condition, let then, let otherwise):
            try conditional(condition, then, otherwise, scope)
        }
    }

    // MARK: Collections

    @inline(never)
    private func sequence(_ elements: [Expression], _ kind: ValueSequence.Kind, _ scope: Scope) throws(TemplateError)
        -> ValueSequence
    {
        var values: [Value] = []
        for element in elements { values.append(try evaluate(element, scope)) }
        return try ValueSequence(values, kind: kind)
    }

    @inline(never)
    private func dictionary(_ members: [(key: Expression, value: Expression)], _ scope: Scope) throws(TemplateError)
        -> Value
    {
        let dictionary = ValueDictionary()
        for (key, value) in members { try dictionary.add(try evaluate(key, scope), try evaluate(value, scope)) }
        return .dictionary(dictionary)
    }

    @inline(never)
    private func slice(
        _ base: Expression, _ start: Expression?, _ end: Expression?, _ step: Expression?, _ scope: Scope
    ) throws(TemplateError) -> Value {
        let value = try evaluate(base, scope)
        func bound(_ expression: Expression?) throws(TemplateError) -> Int? {
            guard let expression else { return nil }
            let value = try evaluate(expression, scope)
            if case .none = value { return nil }
            guard let integer = value.integer else {
                throw TemplateError("slice indices must be integers or None, not \(value.typeName)")
            }
            return integer
        }
        let range = try SliceRange(start: try bound(start), end: try bound(end), step: try bound(step))
        return try Attributes.slice(range, of: value, budget)
    }

    // MARK: Logic

    @inline(never)
    private func either(_ left: Expression, _ right: Expression, whereTrue: Bool, _ scope: Scope) throws(TemplateError)
        -> Value
    {
        let value = try evaluate(left, scope)
        return value.isTrue == whereTrue ? try evaluate(right, scope) : value
    }

    @inline(never)
    private func conditional(
        _ condition: Expression, _ then: Expression, _ otherwise: Expression?, _ scope: Scope
    ) throws(TemplateError) -> Value {
        if try evaluate(condition, scope).isTrue { return try evaluate(then, scope) }
        guard let otherwise else {
            return .undefined(.other("the inline if-expression evaluated to false and no else section was defined"))
        }
        return try evaluate(otherwise, scope)
    }

    @inline(never)
    private func compare(
        _ first: Expression, _ rest: [(operation: Comparison, operand: Expression)], _ scope: Scope
    ) throws(TemplateError) -> Bool {
        var left = try evaluate(first, scope)
        for (operation, operand) in rest {
            let right = try evaluate(operand, scope)
            guard try Self.compare(left, operation, right, budget) else { return false }
            left = right
        }
        return true
    }

    static func compare(_ left: Value, _ operation: Comparison, _ right: Value, _ budget: Budget)
        throws(TemplateError) -> Bool
    {
        switch operation {
        case .equal: try left.equals(right, budget)
        case .notEqual: !(try left.equals(right, budget))
        case .less: try left.isLess(than: right, "<", budget)
        case .greater: try right.isLess(than: left, ">", budget)
        case .lessOrEqual: try isAtMost(left, right, "<=", budget)
        case .greaterOrEqual: try isAtMost(right, left, ">=", budget)
        case .isIn: try left.isContained(in: right, budget)
        case .isNotIn: !(try left.isContained(in: right, budget))
        }
    }

    private static func isAtMost(_ left: Value, _ right: Value, _ operation: String, _ budget: Budget)
        throws(TemplateError) -> Bool
    {
        if left.isOrdered, try left.equals(right, budget) { return true }
        return try left.isLess(than: right, operation, budget)
    }

    // MARK: Texts, numbers, calls

    @inline(never)
    private func binary(_ operation: BinaryOperator, _ left: Expression, _ right: Expression, _ scope: Scope)
        throws(TemplateError) -> Value
    {
        try Value.binary(operation, try evaluate(left, scope), try evaluate(right, scope), budget)
    }

    @inline(never)
    private func concatenate(_ parts: [Expression], _ scope: Scope) throws(TemplateError) -> Value {
        var result = TaggedText()
        for part in parts {
            result.units += try text(of: try evaluate(part, scope)).units
            try budget.checkLength(result.count)
        }
        return .string(try budget.checked(result))
    }

    @inline(never)
    private func call(_ callee: Expression, _ list: Arguments, _ scope: Scope) throws(TemplateError) -> Value {
        let value = try evaluate(callee, scope)
        return try call(value, try arguments(list, scope))
    }

    /// Calls a value.
    func call(_ value: Value, _ arguments: CallArguments) throws(TemplateError) -> Value {
        switch value {
        case .callable(.macro(let macro)): return try call(macro, arguments)
        case .callable(.global(let name)): return try Globals.call(name, arguments, self)
        case .callable(.method(let receiver, let name)):
            return try Methods.call(name, of: receiver, arguments, self)
        case .callable(.cycler(let cycler)), .callable(.cyclerMethod(let cycler, "next")):
            let item = cycler.current
            cycler.position = (cycler.position + 1) % cycler.items.count
            return item
        case .callable(.cyclerMethod(let cycler, _)):
            cycler.position = 0
            return .none
        case .callable(.joiner(let joiner)):
            defer { joiner.isUsed = true }
            return joiner.isUsed ? joiner.separator : .text("")
        case .callable(.loopMethod(let loop, "cycle")):
            guard !arguments.positional.isEmpty else { throw TemplateError("no items for cycling given") }
            return arguments.positional[loop.index % arguments.positional.count]
        case .callable(.loopMethod(let loop, _)):
            var isSame = loop.lastChange?.count == arguments.positional.count
            for (old, new) in zip(loop.lastChange ?? [], arguments.positional) where isSame {
                isSame = try old.equals(new, budget)
            }
            loop.lastChange = arguments.positional
            return .bool(!isSame)
        case .loop(let loop):
            guard let items = arguments.positional.first else { throw TemplateError("loop() needs items") }
            return try recurse(loop, over: items)
        case .undefined(let undefined): throw undefined.error
        default: throw TemplateError("'\(value.typeName)' object is not callable")
        }
    }
}

extension Value {
    /// Whether `<` is defined for the type.
    var isOrdered: Bool {
        switch self {
        case .bool, .integer, .float, .string: true
        case .sequence(let sequence): sequence.kind == .list || sequence.kind == .tuple
        default: false
        }
    }
}
