/// Reads a template: text, outputs and statements.
struct StatementParser {
    private var expressions: ExpressionParser
    private var loopDepth = 0

    init(_ tokens: [Token]) { expressions = ExpressionParser(tokens) }

    private var cursor: TokenCursor {
        get { expressions.cursor }
        set { expressions.cursor = newValue }
    }

    /// The whole template.
    mutating func template() throws(TemplateError) -> [Statement] {
        let body = try statements(until: [])
        guard cursor.current.kind == .end else { throw cursor.unexpected("the end of the template") }
        return body
    }

    /// Statements up to a tag whose name is one of `ends`, which is left to the caller; its opening is read.
    private mutating func statements(until ends: [String]) throws(TemplateError) -> [Statement] {
        try expressions.cursor.enter()
        defer { expressions.cursor.leave() }
        var body: [Statement] = []
        while true {
            let token = cursor.current
            switch token.kind {
            case .data(let text):
                expressions.cursor.advance()
                body.append(Statement(node: .text(text), offset: token.offset))
            case .variableBegin:
                expressions.cursor.advance()
                let value = try expressions.tuple()
                guard cursor.current.kind == .variableEnd else { throw cursor.unexpected("'}}'") }
                expressions.cursor.advance()
                body.append(Statement(node: .output(value), offset: token.offset))
            case .blockBegin:
                expressions.cursor.advance()
                guard case .name(let name) = cursor.current.kind else { throw cursor.unexpected("a tag's name") }
                if ends.contains(name) { return body }
                expressions.cursor.advance()
                body.append(Statement(node: try statement(name, at: token.offset, ends), offset: token.offset))
                try expressions.cursor.expectBlockEnd()
            default:
                guard ends.isEmpty else {
                    throw TemplateError(
                        "the template ends where {% \(ends.last ?? "") %} is expected", at: token.offset)
                }
                return body
            }
        }
    }

    /// The body of a tag, up to and with the name of its end tag.
    private mutating func body(until end: String) throws(TemplateError) -> [Statement] {
        try expressions.cursor.expectBlockEnd()
        let body = try statements(until: [end])
        expressions.cursor.advance()
        return body
    }

    private mutating func statement(_ name: String, at offset: Int, _ ends: [String]) throws(TemplateError)
        -> StatementNode
    {
        switch name {
        case "if": return try condition()
        case "for": return try loop()
        case "set": return try assignment()
        case "macro":
            let name = try expressions.cursor.expectName()
            let parameters = try signature()
            return .macro(try macro(name, parameters, until: "endmacro"))
        case "call":
            let parameters = cursor.isSymbol("(") ? try signature() : []
            let call = try expressions.expression()
            guard case .call = call.node else { throw TemplateError("a call is expected", at: call.offset) }
            return .call(call, caller: try macro("caller", parameters, until: "endcall"))
        case "filter":
            let steps = try expressions.filterSteps()
            return .filter(steps, try body(until: "endfilter"))
        case "with": return try with()
        case "generation": return .generation(try body(until: "endgeneration"))
        case "break", "continue":
            guard loopDepth > 0 else { throw TemplateError("'\(name)' outside a loop", at: offset) }
            return name == "break" ? .breakLoop : .continueLoop
        default:
            if ["extends", "include", "import", "from", "block"].contains(name) {
                throw .unsupported(
                    "the tag '\(name)' reads other templates, which a chat template may not", at: offset)
            }
            guard !name.hasPrefix("end"), name != "else", name != "elif" else {
                let expected = ends.isEmpty ? "" : "; {% \(ends.last ?? "") %} is expected"
                throw TemplateError("the tag '\(name)' closes nothing\(expected)", at: offset)
            }
            throw .unsupported("there is no tag '\(name)'", at: offset)
        }
    }

    // MARK: Tags

    private mutating func condition() throws(TemplateError) -> StatementNode {
        var branches: [(condition: Expression, body: [Statement])] = []
        while true {
            let test = try expressions.tuple(isConditional: true)
            try expressions.cursor.expectBlockEnd()
            branches.append((test, try statements(until: ["elif", "else", "endif"])))
            guard case .name(let end) = expressions.cursor.advance().kind else { break }
            if end == "elif" { continue }
            return .condition(branches, otherwise: end == "else" ? try body(until: "endif") : [])
        }
        throw cursor.unexpected("'endif'")
    }

    private mutating func loop() throws(TemplateError) -> StatementNode {
        let target = try assignmentTarget(allowsNamespace: false)
        try expressions.cursor.expect(name: "in")
        let iterable = try expressions.tuple(endNames: ["recursive"], isConditional: false)
        let condition = expressions.cursor.skip(name: "if") ? try expressions.expression() : nil
        let isRecursive = expressions.cursor.skip(name: "recursive")
        try expressions.cursor.expectBlockEnd()
        loopDepth += 1
        let inner = try statements(until: ["else", "endfor"])
        loopDepth -= 1
        let hasElse = expressions.cursor.advance().kind == .name("else")
        return .loop(
            ForLoop(
                target: target, iterable: iterable, condition: condition, isRecursive: isRecursive, body: inner,
                otherwise: hasElse ? try body(until: "endfor") : []))
    }

    private mutating func assignment() throws(TemplateError) -> StatementNode {
        let target = try assignmentTarget(allowsNamespace: true)
        if expressions.cursor.skip(symbol: "=") { return .assign(target, try expressions.tuple()) }
        let filters = expressions.cursor.skip(symbol: "|") ? try expressions.filterSteps() : []
        return .capture(target, filters, try body(until: "endset"))
    }

    private mutating func with() throws(TemplateError) -> StatementNode {
        var values: [(target: AssignmentTarget, value: Expression)] = []
        while cursor.current.kind != .blockEnd {
            if !values.isEmpty { try expressions.cursor.expect(symbol: ",") }
            let target = try singleTarget(allowsNamespace: false)
            try expressions.cursor.expect(symbol: "=")
            values.append((target, try expressions.expression()))
        }
        return .with(values, try body(until: "endwith"))
    }

    /// The body of a macro: loops around its definition are none of its own.
    private mutating func macro(
        _ name: String, _ parameters: [(name: String, standard: Expression?)], until end: String
    ) throws(TemplateError) -> MacroDefinition {
        let outer = loopDepth
        loopDepth = 0
        defer { loopDepth = outer }
        let body = try body(until: end)
        return MacroDefinition(
            name: name, parameters: parameters, body: body,
            takesFurtherArguments: expressions.usesFurtherArguments)
    }

    private mutating func signature() throws(TemplateError) -> [(name: String, standard: Expression?)] {
        try expressions.cursor.expect(symbol: "(")
        var parameters: [(name: String, standard: Expression?)] = []
        while !cursor.isSymbol(")") {
            if !parameters.isEmpty { try expressions.cursor.expect(symbol: ",") }
            if cursor.isSymbol(")") { break }
            let offset = cursor.current.offset
            let name = try expressions.cursor.expectName()
            let standard = expressions.cursor.skip(symbol: "=") ? try expressions.expression() : nil
            guard standard != nil || parameters.last?.standard == nil else {
                throw TemplateError("the parameter '\(name)' has no value, and one before it has", at: offset)
            }
            parameters.append((name, standard))
        }
        expressions.cursor.advance()
        return parameters
    }

    // MARK: Targets

    private mutating func assignmentTarget(allowsNamespace: Bool) throws(TemplateError) -> AssignmentTarget {
        var targets = [try singleTarget(allowsNamespace: allowsNamespace)]
        var isTuple = false
        while expressions.cursor.skip(symbol: ",") {
            isTuple = true
            if cursor.isSymbol("=") || cursor.isName("in") { break }
            targets.append(try singleTarget(allowsNamespace: allowsNamespace))
        }
        return isTuple ? .tuple(targets) : targets[0]
    }

    private mutating func singleTarget(allowsNamespace: Bool) throws(TemplateError) -> AssignmentTarget {
        let offset = cursor.current.offset
        if expressions.cursor.skip(symbol: "(") {
            try expressions.cursor.enter()
            defer { expressions.cursor.leave() }
            let inner = try assignmentTarget(allowsNamespace: allowsNamespace)
            try expressions.cursor.expect(symbol: ")")
            return inner
        }
        let name = try expressions.cursor.expectName()
        guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
            throw TemplateError("'\(name)' cannot be assigned to", at: offset)
        }
        guard allowsNamespace, expressions.cursor.skip(symbol: ".") else { return .name(name) }
        return .namespace(name, attribute: try expressions.cursor.expectName())
    }
}
