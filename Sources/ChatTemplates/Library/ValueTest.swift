/// What may stand behind `is`. A new test is a case and its line in `holds`.
enum ValueTest: String, Sendable {
    case defined, undefined, none, boolean, integer, float, number, string, mapping, sequence, iterable, callable
    case lower, upper, odd, even, divisibleby, escaped, filter, test, sameas
    case isTrue = "true"
    case isFalse = "false"
    case isIn = "in"
    case equal = "=="
    case notEqual = "!="
    case greater = ">"
    case greaterOrEqual = ">="
    case less = "<"
    case lessOrEqual = "<="

    private static let aliases: [String: ValueTest] = [
        "eq": .equal, "equalto": .equal, "ne": .notEqual, "gt": .greater, "greaterthan": .greater,
        "ge": .greaterOrEqual, "lt": .less, "lessthan": .less, "le": .lessOrEqual,
    ]

    /// The test of a name; nil where there is none.
    init?(named name: String) {
        guard let test = ValueTest(rawValue: name) ?? Self.aliases[name] else { return nil }
        self = test
    }

    /// Whether a value passes.
    func holds(_ value: Value, _ arguments: CallArguments, _ interpreter: Interpreter) throws(TemplateError) -> Bool {
        switch self {
        case .defined: return !value.isUndefined
        case .undefined: return value.isUndefined
        case .lower: return try interpreter.text(of: value).isLower
        case .upper: return try interpreter.text(of: value).isUpper
        case .odd: return try Self.remainder(value, .integer(2)) == 1
        case .even: return try Self.remainder(value, .integer(2)) == 0
        case .divisibleby: return try Self.remainder(value, try other(arguments)) == 0
        case .escaped: return false
        case .filter: return value.string.map { Filters.all[$0.string] != nil } ?? false
        case .test: return value.string.map { ValueTest(named: $0.string) != nil } ?? false
        case .sameas:
            let other = try other(arguments)
            guard value.typeName == other.typeName else { return false }
            return try value.equals(other, interpreter.budget)
        default:
            guard let comparison = Comparison(rawValue: rawValue) else { return isType(of: value) }
            return try Interpreter.compare(value, comparison, try other(arguments), interpreter.budget)
        }
    }

    /// The tests of a value's type.
    private func isType(of value: Value) -> Bool {
        switch (self, value) {
        case (.none, .none), (.boolean, .bool), (.isTrue, .bool(true)), (.isFalse, .bool(false)): true
        case (.integer, .integer), (.integer, .digits), (.float, .float): true
        case (.number, .bool), (.number, .integer), (.number, .digits), (.number, .float): true
        case (.string, .string), (.mapping, .dictionary), (.callable, .callable): true
        case (.sequence, .string), (.sequence, .dictionary), (.sequence, .undefined): true
        case (.sequence, .sequence(let sequence)): sequence.kind.isIndexed
        case (.iterable, .string), (.iterable, .dictionary), (.iterable, .undefined), (.iterable, .sequence): true
        case (.iterable, .loop): true
        default: false
        }
    }

    private func other(_ arguments: CallArguments) throws(TemplateError) -> Value {
        try arguments.bind(rawValue, ["other"], required: 1)[0] ?? .none
    }

    private static func remainder(_ value: Value, _ divisor: Value) throws(TemplateError) -> Int {
        guard let number = value.integer, let divisor = divisor.integer, divisor != 0 else {
            throw TemplateError("an integer other than 0 is expected, not \(value.typeName)")
        }
        return divisor == -1 ? 0 : abs(number % divisor)
    }
}
