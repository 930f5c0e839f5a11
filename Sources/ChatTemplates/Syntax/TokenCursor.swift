/// Where a parser stands among the tokens of a template, and how deep.
struct TokenCursor {
    private let tokens: [Token]
    private var index = 0
    private var depth = 0

    init(_ tokens: [Token]) { self.tokens = tokens }

    var current: Token { tokens[index] }
    var next: Token { tokens[min(index + 1, tokens.count - 1)] }

    /// Steps over the current token and returns it.
    @discardableResult mutating func advance() -> Token {
        let token = tokens[index]
        if index < tokens.count - 1 { index += 1 }
        return token
    }

    func isSymbol(_ symbol: String) -> Bool { current.kind == .symbol(symbol) }
    func isName(_ name: String) -> Bool { current.kind == .name(name) }

    mutating func skip(symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard isName(name) else { return false }
        advance()
        return true
    }

    mutating func expect(symbol: String) throws(TemplateError) {
        guard skip(symbol: symbol) else { throw unexpected("'\(symbol)'") }
    }

    mutating func expect(name: String) throws(TemplateError) {
        guard skip(name: name) else { throw unexpected("'\(name)'") }
    }

    mutating func expectName() throws(TemplateError) -> String {
        guard case .name(let name) = current.kind else { throw unexpected("a name") }
        advance()
        return name
    }

    mutating func expectBlockEnd() throws(TemplateError) {
        guard current.kind == .blockEnd else { throw unexpected("'%}'") }
        advance()
    }

    func unexpected(_ expected: String) -> TemplateError {
        TemplateError("\(current.text) was found where \(expected) is expected", at: current.offset)
    }

    /// Goes one construct deeper; `leave` goes back.
    mutating func enter() throws(TemplateError) {
        depth += 1
        guard depth <= TemplateLimits.syntaxDepth else {
            throw TemplateError(
                "the template nests constructs deeper than \(TemplateLimits.syntaxDepth)", at: current.offset)
        }
    }

    mutating func leave() { depth -= 1 }
}
