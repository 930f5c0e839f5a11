/// Runs a template once.
final class Interpreter {
    let budget: Budget
    let date: TemplateDate
    /// What has been printed into the innermost text that is being made.
    private var output = TaggedText()
    /// Scopes that hold macros, and with them themselves.
    private var macroScopes: [Scope] = []

    init(limits: TemplateLimits, date: TemplateDate) {
        budget = Budget(limits)
        self.date = date
    }

    /// What statements did besides printing.
    private enum Flow { case normal, breakLoop, continueLoop }

    /// Renders a template with the variables of its context.
    func render(_ body: [Statement], context: [String: Value]) throws(TemplateError) -> TaggedText {
        let globals = Scope(parent: nil, Globals.all.merging(context) { $1 })
        defer { for scope in macroScopes { scope.clear() } }
        _ = try execute(body, Scope(parent: globals))
        return output
    }

    private func print(_ text: TaggedText) throws(TemplateError) {
        try budget.checkLength(output.count + text.count)
        try budget.spend(scalars: text.count)
        output.units += text.units
    }

    /// The text that a body prints.
    private func captured(_ body: [Statement], _ scope: Scope) throws(TemplateError) -> TaggedText {
        let outer = output
        output = TaggedText()
        defer { output = outer }
        _ = try execute(body, scope)
        return output
    }

    // MARK: Statements

    private func execute(_ body: [Statement], _ scope: Scope) throws(TemplateError) -> Flow {
        for statement in body {
            do throws(TemplateError) {
                try budget.enter()
                let flow = try execute(statement.node, scope)
                budget.leave()
                if flow != .normal { return flow }
            } catch { throw error.at(statement.offset) }
        }
        return .normal
    }

    private func execute(_ node: StatementNode, _ scope: Scope) throws(TemplateError) -> Flow {
        switch node {
        case .text(let units): try print(TaggedText(units: units))
        case .output(let expression): try print(try text(of: try evaluate(expression, scope)))
        case .condition(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition, scope).isTrue {
                return try execute(branch.body, scope)
            }
            return try execute(otherwise, scope)
        case .loop(let loop):
            try run(loop, over: try evaluate(loop.iterable, scope), scope, depth: 0)
        case .assign(let target, let expression): try assign(try evaluate(expression, scope), to: target, scope)
        case .capture(let target, let filters, let body):
            try assign(try filtered(try captured(body, Scope(parent: scope)), filters, scope), to: target, scope)
        case .macro(let definition):
            macroScopes.append(scope)
            scope.set(definition.name, .callable(.macro(MacroValue(definition, scope: scope))))
        case .call(let expression, let definition):
            guard case .call(let callee, let list) = expression.node else { return .normal }
            var arguments = try arguments(list, scope)
            arguments.caller = MacroValue(definition, scope: scope)
            try print(try text(of: try call(try evaluate(callee, scope), arguments)))
        case .filter(let filters, let body):
            try print(try text(of: try filtered(try captured(body, Scope(parent: scope)), filters, scope)))
        case .with(let values, let body):
            let inner = Scope(parent: scope)
            for (target, expression) in values { try assign(try evaluate(expression, scope), to: target, inner) }
            return try execute(body, inner)
        case .generation(let body):
            var text = try captured(body, Scope(parent: scope))
            for index in text.units.indices { text.units[index] |= TaggedText.generationFlag }
            try print(text)
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .normal
    }

    /// A text through filters.
    private func filtered(_ text: TaggedText, _ filters: [FilterStep], _ scope: Scope) throws(TemplateError) -> Value {
        var value = Value.string(text)
        for step in filters { value = try filtered(value, step, scope) }
        return value
    }

    func filtered(_ value: Value, _ step: FilterStep, _ scope: Scope) throws(TemplateError) -> Value {
        guard let filter = Filters.all[step.name] else { throw .unsupported("there is no filter '\(step.name)'") }
        return try filter(self, value, try arguments(step.arguments, scope))
    }

    // MARK: Loops

    private func run(_ loop: ForLoop, over value: Value, _ scope: Scope, depth: Int) throws(TemplateError) {
        var items = try value.elements(budget)
        if let condition = loop.condition {
            var kept: [Value] = []
            for item in items {
                let inner = Scope(parent: scope)
                try assign(item, to: loop.target, inner)
                if try evaluate(condition, inner).isTrue { kept.append(item) }
            }
            items = kept
        }
        guard !items.isEmpty else {
            _ = try execute(loop.otherwise, Scope(parent: scope))
            return
        }
        let state = LoopState(loop, scope: scope, items: items, depth: depth)
        for (index, item) in items.enumerated() {
            try budget.spend(1)
            state.index = index
            let inner = Scope(parent: scope)
            inner.set("loop", .loop(state))
            try assign(item, to: loop.target, inner)
            if try execute(loop.body, inner) == .breakLoop { break }
        }
    }

    /// `loop(items)`: the same loop over other items, inside itself.
    func recurse(_ state: LoopState, over items: Value) throws(TemplateError) -> Value {
        guard state.definition.isRecursive else {
            throw TemplateError("the loop calls itself and is not marked as recursive")
        }
        try budget.enterCall("loop")
        let outer = output
        output = TaggedText()
        defer { output = outer }
        try run(state.definition, over: items, state.scope, depth: state.depth + 1)
        budget.leaveCall()
        return .string(output)
    }

    // MARK: Assignment

    private func assign(_ value: Value, to target: AssignmentTarget, _ scope: Scope) throws(TemplateError) {
        switch target {
        case .name(let name): scope.set(name, value)
        case .namespace(let name, let attribute):
            guard case .namespace(let namespace) = scope.value(name) else {
                throw TemplateError("an attribute of '\(name)' is set, which is no namespace")
            }
            try namespace.set(attribute, value)
        case .tuple(let targets):
            if case .undefined(let undefined) = value { throw undefined.error }
            let values = try value.elements(budget)
            guard values.count == targets.count else {
                throw TemplateError(
                    values.count < targets.count
                        ? "not enough values to unpack (expected \(targets.count), got \(values.count))"
                        : "too many values to unpack (expected \(targets.count))")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target, scope) }
        }
    }

    // MARK: Calls

    func text(of value: Value) throws(TemplateError) -> TaggedText { try PythonText.string(value, budget) }

    func arguments(_ list: Arguments, _ scope: Scope) throws(TemplateError) -> CallArguments {
        var result = CallArguments()
        for expression in list.positional { result.positional.append(try evaluate(expression, scope)) }
        for (name, expression) in list.keyword { result.keyword.append((name, try evaluate(expression, scope))) }
        if let more = list.list { result.positional += try evaluate(more, scope).elements(budget) }
        if let more = list.dictionary {
            guard case .dictionary(let dictionary) = try evaluate(more, scope) else {
                throw TemplateError("an object is expected behind **")
            }
            for (key, value) in zip(dictionary.keys, dictionary.values) {
                guard let name = key.string else { throw TemplateError("keywords must be strings") }
                result.keyword.append((name.string, value))
            }
        }
        return result
    }

    /// Calls a macro.
    func call(_ macro: MacroValue, _ arguments: CallArguments) throws(TemplateError) -> Value {
        let definition = macro.definition
        try budget.enterCall(definition.name)
        let scope = Scope(parent: macro.scope)
        var keyword = arguments.keyword
        for (index, parameter) in definition.parameters.enumerated() {
            let named = keyword.firstIndex { $0.name == parameter.name }.map { keyword.remove(at: $0).value }
            if index < arguments.positional.count {
                guard named == nil else {
                    throw TemplateError("macro '\(definition.name)' got two values for '\(parameter.name)'")
                }
                scope.set(parameter.name, arguments.positional[index])
            } else if let named {
                scope.set(parameter.name, named)
            } else if let standard = parameter.standard {
                scope.set(parameter.name, try evaluate(standard, scope))
            } else {
                scope.set(parameter.name, .undefined(.other("parameter '\(parameter.name)' was not provided")))
            }
        }
        let further = arguments.positional.dropFirst(definition.parameters.count)
        if definition.takesFurtherArguments {
            scope.set("varargs", .sequence(try ValueSequence(Array(further), kind: .tuple)))
            scope.set("kwargs", .dictionary(try ValueDictionary(keyword.map { (.text($0.name), $0.value) })))
        } else if !further.isEmpty {
            throw TemplateError(
                "macro '\(definition.name)' takes not more than \(definition.parameters.count) argument(s)")
        } else if let first = keyword.first {
            throw TemplateError("macro '\(definition.name)' takes no keyword argument '\(first.name)'")
        }
        if let caller = arguments.caller { scope.set("caller", .callable(.macro(caller))) }
        let text = try captured(definition.body, scope)
        budget.leaveCall()
        return .string(text)
    }
}
