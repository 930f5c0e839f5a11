internal import Glibc

/// Truth, equality, order and arithmetic as Python defines them.
extension Value {
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .digits: true
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .sequence(let sequence): sequence.kind == .generator || !sequence.elements.isEmpty
        case .dictionary(let dictionary): dictionary.count > 0
        case .namespace, .callable, .loop: true
        }
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    /// The number as Python compares it: booleans are numbers.
    private var number: Double? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .integer(let value): Double(value)
        case .float(let value): value
        default: nil
        }
    }

    var integer: Int? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .integer(let value): value
        default: nil
        }
    }

    var string: TaggedText? { if case .string(let text) = self { text } else { nil } }

    /// `==`. The depth of values bounds the recursion, `budget` the work.
    func equals(_ other: Value, _ budget: Budget) throws(TemplateError) -> Bool {
        try budget.spend(1)
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let left), .string(let right)):
            try budget.spend(scalars: min(left.count, right.count))
            return left == right
        case (.digits(let left), .digits(let right)): return left == right
        case (.sequence(let left), .sequence(let right)):
            guard left.kind == right.kind, left.elements.count == right.elements.count else { return false }
            if left.kind == .generator || left.kind == .values { return left === right }
            for (own, foreign) in zip(left.elements, right.elements) {
                guard try own.equals(foreign, budget) else { return false }
            }
            return true
        case (.dictionary(let left), .dictionary(let right)):
            guard left.count == right.count else { return false }
            for (key, value) in zip(left.keys, left.values) {
                guard let foreign = try right.value(key) else { return false }
                guard try value.equals(foreign, budget) else { return false }
            }
            return true
        case (.namespace(let left), .namespace(let right)): return left === right
        case (.loop(let left), .loop(let right)): return left === right
        default:
            if let left = integer, let right = other.integer { return left == right }
            guard let left = number, let right = other.number else { return false }
            return left == right
        }
    }

    /// `<`, the order that sorting uses too.
    func isLess(than other: Value, _ operation: String = "<", _ budget: Budget) throws(TemplateError) -> Bool {
        try budget.spend(1)
        if let left = integer, let right = other.integer { return left < right }
        if let left = number, let right = other.number { return left < right }
        switch (self, other) {
        case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw undefined.error
        case (.string(let left), .string(let right)):
            try budget.spend(scalars: min(left.count, right.count))
            return left < right
        case (.sequence(let left), .sequence(let right))
        where left.kind == right.kind && (left.kind == .list || left.kind == .tuple):
            for (own, foreign) in zip(left.elements, right.elements)
            where try !own.equals(foreign, budget) { return try own.isLess(than: foreign, operation, budget) }
            return left.elements.count < right.elements.count
        default:
            throw TemplateError(
                "'\(operation)' not supported between instances of '\(typeName)' and '\(other.typeName)'")
        }
    }

    /// `self in container`.
    func isContained(in container: Value, _ budget: Budget) throws(TemplateError) -> Bool {
        switch container {
        case .string(let text):
            guard case .string(let part) = self else {
                if case .undefined(let undefined) = self { throw undefined.error }
                throw TemplateError("'in <string>' requires string as left operand, not \(typeName)")
            }
            try budget.spend(scalars: text.count + part.count)
            return text.firstIndex(of: part) != nil
        case .dictionary(let dictionary): return try dictionary.value(self) != nil
        case .sequence(let sequence):
            for element in sequence.elements where try element.equals(self, budget) { return true }
            return false
        case .undefined: return false
        case .namespace(let namespace): return string.map { namespace.members[$0.string] != nil } ?? false
        default: throw TemplateError("argument of type '\(container.typeName)' is not iterable")
        }
    }

    /// The elements that a loop runs over.
    func elements(_ budget: Budget) throws(TemplateError) -> [Value] {
        switch self {
        case .sequence(let sequence): return sequence.elements
        case .dictionary(let dictionary): return dictionary.keys
        case .string(let text):
            try budget.spend(elements: text.count)
            return text.units.map { .string(TaggedText(units: [$0])) }
        case .undefined: return []
        default: throw TemplateError("'\(typeName)' object is not iterable")
        }
    }

    /// `len`.
    func length() throws(TemplateError) -> Int {
        switch self {
        case .string(let text): return text.count
        case .sequence(let sequence) where sequence.kind != .generator: return sequence.elements.count
        case .dictionary(let dictionary): return dictionary.count
        case .undefined: return 0
        default: throw TemplateError("object of type '\(typeName)' has no len()")
        }
    }

    /// A binary operator other than a comparison.
    static func binary(
        _ operation: BinaryOperator, _ left: Value, _ right: Value, _ budget: Budget
    ) throws(TemplateError) -> Value {
        if case .undefined(let undefined) = left { throw undefined.error }
        if operation == .remainder, case .string(let format) = left {
            return .string(try PrintfFormat.apply(format, right, budget))
        }
        if case .undefined(let undefined) = right { throw undefined.error }
        switch (operation, left, right) {
        case (.add, .string(let left), .string(let right)):
            return .string(try budget.checked(left + right))
        case (.add, .sequence(let first), .sequence(let second))
        where first.kind == second.kind && (first.kind == .list || first.kind == .tuple):
            try budget.spend(elements: first.elements.count + second.elements.count)
            return .sequence(try ValueSequence(first.elements + second.elements, kind: first.kind))
        case (.multiply, .string(let text), _), (.multiply, _, .string(let text)):
            guard let times = right.integer ?? left.integer else { break }
            return .string(try budget.repeated(text, times))
        case (.multiply, .sequence(let sequence), _) where sequence.kind.isIndexed:
            guard let times = right.integer else { break }
            let (count, overflow) = sequence.elements.count.multipliedReportingOverflow(by: max(0, times))
            guard !overflow else { throw TemplateError("a list would have too many elements") }
            try budget.spend(elements: count)
            return .sequence(
                try ValueSequence(
                    Array((0..<max(0, times)).map { _ in sequence.elements }.joined()), kind: sequence.kind))
        default:
            if let left = left.integer, let right = right.integer { return try integers(operation, left, right) }
            if let left = left.number, let right = right.number { return try floats(operation, left, right) }
        }
        if operation == .add, case .string = left {
            throw TemplateError("can only concatenate str (not \"\(right.typeName)\") to str")
        }
        throw TemplateError(
            "unsupported operand type(s) for \(operation.rawValue): '\(left.typeName)' and '\(right.typeName)'")
    }

    private static func integers(_ operation: BinaryOperator, _ left: Int, _ right: Int) throws(TemplateError) -> Value
    {
        func checked(_ result: (partialValue: Int, overflow: Bool)) throws(TemplateError) -> Value {
            guard !result.overflow else { throw TemplateError("the integer is beyond 64 bits") }
            return .integer(result.partialValue)
        }
        switch operation {
        case .add: return try checked(left.addingReportingOverflow(right))
        case .subtract: return try checked(left.subtractingReportingOverflow(right))
        case .multiply: return try checked(left.multipliedReportingOverflow(by: right))
        case .divide:
            guard right != 0 else { throw TemplateError("division by zero") }
            return .float(Double(left) / Double(right))
        case .floorDivide, .remainder:
            guard right != 0 else { throw TemplateError("integer division or modulo by zero") }
            guard right != -1 else {
                return operation == .remainder ? .integer(0) : try checked(left.multipliedReportingOverflow(by: -1))
            }
            let (quotient, remainder) = left.quotientAndRemainder(dividingBy: right)
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            return .integer(
                operation == .floorDivide ? quotient - (isBelow ? 1 : 0) : remainder + (isBelow ? right : 0))
        case .power:
            guard right >= 0 else { return try floats(.power, Double(left), Double(right)) }
            var result = Value.integer(1)
            guard left.magnitude > 1 else { return .integer(right == 0 ? 1 : left == -1 && right % 2 == 0 ? 1 : left) }
            for _ in 0..<min(right, 64) { result = try integers(.multiply, result.integer ?? 0, left) }
            guard right <= 64 else { throw TemplateError("the integer is beyond 64 bits") }
            return result
        }
    }

    private static func floats(_ operation: BinaryOperator, _ left: Double, _ right: Double) throws(TemplateError)
        -> Value
    {
        switch operation {
        case .add: return .float(left + right)
        case .subtract: return .float(left - right)
        case .multiply: return .float(left * right)
        case .divide, .floorDivide, .remainder:
            guard right != 0 else { throw TemplateError("float division by zero") }
            if operation == .divide { return .float(left / right) }
            let quotient = (left / right).rounded(.down)
            return .float(operation == .floorDivide ? quotient : left - quotient * right)
        case .power:
            let result = pow(left, right)
            guard !result.isNaN || left.isNaN || right.isNaN else {
                throw TemplateError("a power of a negative number with a fraction as exponent is no number")
            }
            return .float(result)
        }
    }

    /// `-value` and `+value`.
    static func negated(_ value: Value, _ isMinus: Bool) throws(TemplateError) -> Value {
        if case .undefined(let undefined) = value { throw undefined.error }
        if let integer = value.integer {
            guard integer != .min else { throw TemplateError("the integer is beyond 64 bits") }
            return .integer(isMinus ? -integer : integer)
        }
        if case .float(let float) = value { return .float(isMinus ? -float : float) }
        throw TemplateError("bad operand type for unary \(isMinus ? "-" : "+"): '\(value.typeName)'")
    }
}
