/// Reads expressions: the grammar and the precedences of Jinja2.
struct ExpressionParser {
    var cursor: TokenCursor
    /// Whether the variables that hold a macro's further arguments have been read anywhere.
    private(set) var usesFurtherArguments = false

    init(_ tokens: [Token]) { cursor = TokenCursor(tokens) }

    private func made(_ node: ExpressionNode, _ offset: Int, _ parts: [Expression?]) throws(TemplateError) -> Expression
    {
        let depth = parts.reduce(0) { max($0, $1?.depth ?? 0) } + 1
        guard depth <= TemplateLimits.expressionDepth else {
            throw TemplateError(
                "the expression has more than \(TemplateLimits.expressionDepth) operators in a chain", at: offset)
        }
        return Expression(node: node, offset: offset, depth: depth)
    }

    // MARK: Conditions

    /// - Parameter isConditional: whether `a if b else c` counts.
    mutating func expression(isConditional: Bool = true) throws(TemplateError) -> Expression {
        try cursor.enter()
        defer { cursor.leave() }
        var result = try disjunction()
        while isConditional, cursor.isName("if") {
            let offset = cursor.advance().offset
            let condition = try disjunction()
            let otherwise = cursor.skip(name: "else") ? try expression() : nil
            result = try made(
                .conditional(condition, then: result, otherwise: otherwise), offset, [condition, result, otherwise])
        }
        return result
    }

    private mutating func disjunction() throws(TemplateError) -> Expression {
        var left = try conjunction()
        while cursor.isName("or") {
            let offset = cursor.advance().offset
            let right = try conjunction()
            left = try made(.or(left, right), offset, [left, right])
        }
        return left
    }

    private mutating func conjunction() throws(TemplateError) -> Expression {
        var left = try negation()
        while cursor.isName("and") {
            let offset = cursor.advance().offset
            let right = try negation()
            left = try made(.and(left, right), offset, [left, right])
        }
        return left
    }

    private mutating func negation() throws(TemplateError) -> Expression {
        guard cursor.isName("not") else { return try comparison() }
        let offset = cursor.advance().offset
        try cursor.enter()
        defer { cursor.leave() }
        let operand = try negation()
        return try made(.not(operand), offset, [operand])
    }

    private mutating func comparison() throws(TemplateError) -> Expression {
        let first = try sum()
        var rest: [(operation: Comparison, operand: Expression)] = []
        let offset = cursor.current.offset
        while let operation = comparisonOperator() { rest.append((operation, try sum())) }
        guard !rest.isEmpty else { return first }
        return try made(.compare(first, rest), offset, [first] + rest.map(\.operand))
    }

    private mutating func comparisonOperator() -> Comparison? {
        switch cursor.current.kind {
        case .symbol(let symbol):
            guard let operation = Comparison(rawValue: symbol) else { return nil }
            cursor.advance()
            return operation
        case .name("in"):
            cursor.advance()
            return .isIn
        case .name("not") where cursor.next.kind == .name("in"):
            cursor.advance()
            cursor.advance()
            return .isNotIn
        default: return nil
        }
    }

    // MARK: Arithmetic

    private mutating func sum() throws(TemplateError) -> Expression {
        var left = try concatenation()
        while cursor.isSymbol("+") || cursor.isSymbol("-") {
            let operation: BinaryOperator = cursor.isSymbol("+") ? .add : .subtract
            let offset = cursor.advance().offset
            let right = try concatenation()
            left = try made(.binary(operation, left, right), offset, [left, right])
        }
        return left
    }

    private mutating func concatenation() throws(TemplateError) -> Expression {
        var parts = [try product()]
        let offset = cursor.current.offset
        while cursor.skip(symbol: "~") { parts.append(try product()) }
        return parts.count == 1 ? parts[0] : try made(.concatenate(parts), offset, parts)
    }

    private mutating func product() throws(TemplateError) -> Expression {
        var left = try power()
        while case .symbol(let symbol) = cursor.current.kind, ["*", "/", "//", "%"].contains(symbol),
            let operation = BinaryOperator(rawValue: symbol)
        {
            let offset = cursor.advance().offset
            let right = try power()
            left = try made(.binary(operation, left, right), offset, [left, right])
        }
        return left
    }

    private mutating func power() throws(TemplateError) -> Expression {
        var left = try unary()
        while cursor.isSymbol("**") {
            let offset = cursor.advance().offset
            let right = try unary()
            left = try made(.binary(.power, left, right), offset, [left, right])
        }
        return left
    }

    private mutating func unary(hasFilters: Bool = true) throws(TemplateError) -> Expression {
        var result: Expression
        let offset = cursor.current.offset
        if cursor.isSymbol("-") || cursor.isSymbol("+") {
            let isMinus = cursor.isSymbol("-")
            cursor.advance()
            try cursor.enter()
            defer { cursor.leave() }
            let operand = try unary(hasFilters: false)
            result = try made(isMinus ? .negate(operand) : .plus(operand), offset, [operand])
        } else {
            result = try primary()
        }
        result = try postfix(result)
        return hasFilters ? try filters(result) : result
    }

    // MARK: Literals

    private mutating func primary() throws(TemplateError) -> Expression {
        let token = cursor.current
        switch token.kind {
        case .name(let name):
            cursor.advance()
            switch name {
            case "true", "True": return try made(.bool(true), token.offset, [])
            case "false", "False": return try made(.bool(false), token.offset, [])
            case "none", "None": return try made(.none, token.offset, [])
            default:
                if name == "varargs" || name == "kwargs" { usesFurtherArguments = true }
                return try made(.name(name), token.offset, [])
            }
        case .string(var text):
            cursor.advance()
            while case .string(let more) = cursor.current.kind {
                text += more
                cursor.advance()
            }
            return try made(.string(text), token.offset, [])
        case .integer(let value):
            cursor.advance()
            return try made(.integer(value), token.offset, [])
        case .digits(let value):
            cursor.advance()
            return try made(.digits(value), token.offset, [])
        case .float(let value):
            cursor.advance()
            return try made(.float(value), token.offset, [])
        case .symbol("("):
            cursor.advance()
            let inner = try tuple(ends: [")"], isParenthesized: true)
            try cursor.expect(symbol: ")")
            return inner
        case .symbol("["): return try list()
        case .symbol("{"): return try dictionary()
        default: throw cursor.unexpected("an expression")
        }
    }

    private mutating func list() throws(TemplateError) -> Expression {
        let offset = cursor.advance().offset
        var elements: [Expression] = []
        while !cursor.isSymbol("]") {
            if !elements.isEmpty { try cursor.expect(symbol: ",") }
            if cursor.isSymbol("]") { break }
            elements.append(try expression())
        }
        cursor.advance()
        return try made(.list(elements), offset, elements)
    }

    private mutating func dictionary() throws(TemplateError) -> Expression {
        let offset = cursor.advance().offset
        var members: [(key: Expression, value: Expression)] = []
        while !cursor.isSymbol("}") {
            if !members.isEmpty { try cursor.expect(symbol: ",") }
            if cursor.isSymbol("}") { break }
            let key = try expression()
            try cursor.expect(symbol: ":")
            members.append((key, try expression()))
        }
        cursor.advance()
        return try made(.dictionary(members), offset, members.flatMap { [$0.key, $0.value] })
    }

    /// An expression, or several with commas between them.
    ///
    /// - Parameters:
    ///   - ends: symbols before which it may end after a comma.
    ///   - endNames: names before which it may.
    ///   - isParenthesized: whether there may be nothing.
    mutating func tuple(
        ends: [String] = [], endNames: [String] = [], isConditional: Bool = true, isParenthesized: Bool = false
    ) throws(TemplateError) -> Expression {
        let offset = cursor.current.offset
        var elements: [Expression] = [], isTuple = false
        while true {
            if !elements.isEmpty {
                guard cursor.skip(symbol: ",") else { break }
                isTuple = true
            }
            let isAtEnd =
                switch cursor.current.kind {
                case .variableEnd, .blockEnd, .symbol(")"): true
                case .symbol(let symbol): ends.contains(symbol)
                case .name(let name): endNames.contains(name)
                default: false
                }
            if isAtEnd { break }
            elements.append(try expression(isConditional: isConditional))
        }
        if !isTuple, let only = elements.first { return only }
        guard isTuple || isParenthesized else { throw cursor.unexpected("an expression") }
        return try made(.tuple(elements), offset, elements)
    }

    // MARK: What follows an expression

    private mutating func postfix(_ start: Expression) throws(TemplateError) -> Expression {
        var result = start
        while true {
            let offset = cursor.current.offset
            switch cursor.current.kind {
            case .symbol("."):
                cursor.advance()
                if case .integer(let index) = cursor.current.kind {
                    let key = try made(.integer(index), cursor.advance().offset, [])
                    result = try made(.item(result, key), offset, [result])
                } else {
                    result = try made(.attribute(result, try cursor.expectName()), offset, [result])
                }
            case .symbol("["): result = try subscripted(result)
            case .symbol("("):
                let arguments = try arguments()
                result = try made(.call(result, arguments), offset, [result] + arguments.all)
            default: return result
            }
        }
    }

    private mutating func subscripted(_ base: Expression) throws(TemplateError) -> Expression {
        let offset = cursor.advance().offset
        var parts: [Expression] = []
        var slice: ExpressionNode?
        repeat {
            if cursor.isSymbol("]") { break }
            let start = cursor.isSymbol(":") ? nil : try expression()
            if cursor.skip(symbol: ":") {
                let end = isSliceEnd ? nil : try expression()
                let step = cursor.skip(symbol: ":") && !isSliceEnd ? try expression() : nil
                slice = .slice(base, start: start, end: end, step: step)
                parts += [start, end, step].compactMap { $0 }
            } else if let start {
                parts.append(start)
            }
        } while cursor.skip(symbol: ",")
        try cursor.expect(symbol: "]")
        if let slice { return try made(slice, offset, [base] + parts) }
        guard let key = parts.count == 1 ? parts[0] : nil else {
            guard !parts.isEmpty else { throw TemplateError("an index is expected", at: offset) }
            return try made(.item(base, try made(.tuple(parts), offset, parts)), offset, [base] + parts)
        }
        return try made(.item(base, key), offset, [base, key])
    }

    private var isSliceEnd: Bool { cursor.isSymbol("]") || cursor.isSymbol(",") || cursor.isSymbol(":") }

    mutating func arguments() throws(TemplateError) -> Arguments {
        let open = cursor.advance().offset
        var result = Arguments()
        var isFirst = true
        while !cursor.isSymbol(")") {
            if !isFirst { try cursor.expect(symbol: ",") }
            if cursor.isSymbol(")") { break }
            isFirst = false
            if cursor.skip(symbol: "*") {
                result.list = try expression()
            } else if cursor.skip(symbol: "**") {
                result.dictionary = try expression()
            } else if case .name(let name) = cursor.current.kind, cursor.next.kind == .symbol("=") {
                cursor.advance()
                cursor.advance()
                result.keyword.append((name, try expression()))
            } else {
                guard result.keyword.isEmpty, result.list == nil, result.dictionary == nil else {
                    throw TemplateError("a positional argument follows a named one", at: open)
                }
                result.positional.append(try expression())
            }
        }
        cursor.advance()
        return result
    }

    private mutating func filters(_ start: Expression) throws(TemplateError) -> Expression {
        var result = start
        while true {
            if cursor.isSymbol("|") {
                cursor.advance()
                let step = try filterStep()
                result = try made(.filter(result, step), step.offset, [result] + step.arguments.all)
            } else if cursor.isName("is") {
                result = try test(result)
            } else if cursor.isSymbol("(") {
                let offset = cursor.current.offset
                let arguments = try arguments()
                result = try made(.call(result, arguments), offset, [result] + arguments.all)
            } else {
                return result
            }
        }
    }

    /// The filters behind a `|` each, the first without one.
    mutating func filterSteps() throws(TemplateError) -> [FilterStep] {
        var steps = [try filterStep()]
        while cursor.skip(symbol: "|") { steps.append(try filterStep()) }
        return steps
    }

    private mutating func filterStep() throws(TemplateError) -> FilterStep {
        let offset = cursor.current.offset
        let name = try dottedName()
        guard Filters.all[name] != nil else {
            throw .unsupported("there is no filter '\(name)'", at: offset)
        }
        return FilterStep(name: name, arguments: cursor.isSymbol("(") ? try arguments() : Arguments(), offset: offset)
    }

    private mutating func dottedName() throws(TemplateError) -> String {
        var name = try cursor.expectName()
        while cursor.skip(symbol: ".") { name += "." + (try cursor.expectName()) }
        return name
    }

    private mutating func test(_ operand: Expression) throws(TemplateError) -> Expression {
        let offset = cursor.advance().offset
        let isNegated = cursor.skip(name: "not")
        let name = try dottedName()
        guard let test = ValueTest(named: name) else {
            throw .unsupported("there is no test '\(name)'", at: offset)
        }
        var arguments = Arguments()
        switch cursor.current.kind {
        case .symbol("("): arguments = try self.arguments()
        case .name("else"), .name("or"), .name("and"), .name("if"): break
        case .name("is"): throw TemplateError("tests cannot follow each other", at: cursor.current.offset)
        case .name, .string, .integer, .digits, .float, .symbol("["), .symbol("{"):
            arguments.positional = [try postfix(try primary())]
        default: break
        }
        let result = try made(.test(operand, test, arguments), offset, [operand] + arguments.all)
        return isNegated ? try made(.not(result), offset, [result]) : result
    }
}

extension Arguments {
    /// Every expression among them.
    var all: [Expression] { positional + keyword.map(\.value) + [list, dictionary].compactMap { $0 } }
}
