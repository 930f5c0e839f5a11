/// An expression of a template.
struct Expression: Sendable {
    let node: ExpressionNode
    /// Index of the scalar of the source at which it begins.
    let offset: Int
    /// How many expressions are inside each other.
    let depth: Int
}

indirect enum ExpressionNode: Sendable {
    case undefined
    case none
    case bool(Bool)
    case integer(Int)
    case digits(String)
    case float(Double)
    case string([UInt32])
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case dictionary([(key: Expression, value: Expression)])
    case attribute(Expression, String)
    case item(Expression, Expression)
    case slice(Expression, start: Expression?, end: Expression?, step: Expression?)
    case call(Expression, Arguments)
    case filter(Expression, FilterStep)
    case test(Expression, ValueTest, Arguments)
    case negate(Expression)
    case plus(Expression)
    case not(Expression)
    case and(Expression, Expression)
    case or(Expression, Expression)
    case binary(BinaryOperator, Expression, Expression)
    case concatenate([Expression])
    case compare(Expression, [(operation: Comparison, operand: Expression)])
    case conditional(Expression, then: Expression, otherwise: Expression?)
}

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case remainder = "%"
    case power = "**"
}

enum Comparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// What stands between the parentheses of a call.
struct Arguments: Sendable {
    var positional: [Expression] = []
    var keyword: [(name: String, value: Expression)] = []
    var list: Expression?
    var dictionary: Expression?
}

/// A filter with its arguments; what it filters stands elsewhere.
struct FilterStep: Sendable {
    let name: String
    let arguments: Arguments
    let offset: Int
}

/// What a value is assigned to.
indirect enum AssignmentTarget: Sendable {
    case name(String)
    case namespace(String, attribute: String)
    case tuple([AssignmentTarget])
}

/// A statement of a template.
struct Statement: Sendable {
    let node: StatementNode
    let offset: Int
}

indirect enum StatementNode: Sendable {
    case text([UInt32])
    case output(Expression)
    case condition([(condition: Expression, body: [Statement])], otherwise: [Statement])
    case loop(ForLoop)
    case assign(AssignmentTarget, Expression)
    case capture(AssignmentTarget, [FilterStep], [Statement])
    case macro(MacroDefinition)
    case call(Expression, caller: MacroDefinition)
    case filter([FilterStep], [Statement])
    case with([(target: AssignmentTarget, value: Expression)], [Statement])
    case generation([Statement])
    case breakLoop
    case continueLoop
}

struct ForLoop: Sendable {
    let target: AssignmentTarget
    let iterable: Expression
    let condition: Expression?
    let isRecursive: Bool
    let body: [Statement]
    let otherwise: [Statement]
}

struct MacroDefinition: Sendable {
    let name: String
    let parameters: [(name: String, standard: Expression?)]
    let body: [Statement]
    /// Whether it may be called with more arguments than it has parameters.
    let takesFurtherArguments: Bool
}
