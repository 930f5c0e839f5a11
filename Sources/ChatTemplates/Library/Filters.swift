internal import Glibc

/// What may stand behind `|`. A new filter is one line in the table of its kind.
enum Filters {
    typealias Filter = @Sendable (Interpreter, Value, CallArguments) throws(TemplateError) -> Value

    static let all: [String: Filter] = texts.merging(sequences) { $1 }.merging(selections) { $1 }.merging(values) { $1 }

    /// Filters of single values.
    private static let values: [String: Filter] = [
        "default": { (_, value, arguments) throws(TemplateError) in try standard(value, arguments) },
        "d": { (_, value, arguments) throws(TemplateError) in try standard(value, arguments) },
        "string": { (interpreter, value, _) throws(TemplateError) in .string(try interpreter.text(of: value)) },
        "safe": { (interpreter, value, _) throws(TemplateError) in .string(try interpreter.text(of: value)) },
        "tojson": { (interpreter, value, arguments) throws(TemplateError) in
            .string(try JSONText.write(value, try JSONText.Style(arguments), interpreter.budget))
        },
        "attr": { (interpreter, value, arguments) throws(TemplateError) in
            let name = try arguments.bind("attr", ["name"], required: 1).text(0)?.string ?? ""
            if case .dictionary = value, !name.hasPrefix("__"), !Methods.exists(name, of: value) {
                return .undefined(.attribute(object: value.objectName, name: name))
            }
            return try Attributes.attribute(name, of: value, interpreter.budget)
        },
        "int": { (_, value, arguments) throws(TemplateError) in try integer(value, arguments) },
        "float": { (_, value, arguments) throws(TemplateError) in
            let standard = try arguments.bind("float", ["default"])[0] ?? .float(0)
            switch value {
            case .undefined(let undefined): throw undefined.error
            case .bool(let value): return .float(value ? 1 : 0)
            case .integer(let value): return .float(Double(value))
            case .float: return value
            case .string(let text): return Double(text.stripped().string).map { .float($0) } ?? standard
            default: return standard
            }
        },
        "abs": { (_, value, _) throws(TemplateError) in
            let isNegative = (value.integer ?? 0) < 0
            if case .float(let number) = value { return .float(number.magnitude) }
            return try Value.negated(value, isNegative)
        },
        "round": { (_, value, arguments) throws(TemplateError) in try rounded(value, arguments) },
    ]

    private static func standard(_ value: Value, _ arguments: CallArguments) throws(TemplateError) -> Value {
        let bound = try arguments.bind("default", ["default_value", "boolean"])
        let isMissing = value.isUndefined || (bound.truth(1) && !value.isTrue)
        return isMissing ? bound[0] ?? .text("") : value
    }

    private static func integer(_ value: Value, _ arguments: CallArguments) throws(TemplateError) -> Value {
        let bound = try arguments.bind("int", ["default", "base"])
        let standard = bound[0] ?? .integer(0)
        func whole(_ number: Double) -> Value {
            Int(exactly: number.rounded(.towardZero)).map { .integer($0) } ?? standard
        }
        switch value {
        case .undefined(let undefined): throw undefined.error
        case .digits: return value
        case .float(let number): return whole(number)
        case .string(let text):
            let spelled = text.stripped().string.replacing("_", with: "")
            let radix = try bound.integer(1) ?? 10
            guard (2...36).contains(radix) else { throw TemplateError("int() base must be >= 2 and <= 36") }
            let digits = radix == 16 && spelled.lowercased().hasPrefix("0x") ? String(spelled.dropFirst(2)) : spelled
            return Int(digits, radix: radix).map { .integer($0) } ?? Double(spelled).map(whole) ?? standard
        default: return value.integer.map { .integer($0) } ?? standard
        }
    }

    private static func rounded(_ value: Value, _ arguments: CallArguments) throws(TemplateError) -> Value {
        let bound = try arguments.bind("round", ["precision", "method"])
        let precision = try bound.integer(0) ?? 0
        guard (0...15).contains(precision) else { throw TemplateError("round() takes a precision from 0 to 15") }
        let number: Double
        switch value {
        case .float(let value): number = value
        default:
            guard let integer = value.integer else {
                throw TemplateError("round() takes a number, not \(value.typeName)")
            }
            number = Double(integer)
        }
        let scale = pow(10, Double(precision))
        switch try bound.text(1)?.string ?? "common" {
        case "common": return .float((number * scale).rounded(.toNearestOrEven) / scale)
        case "ceil": return .float((number * scale).rounded(.up) / scale)
        case "floor": return .float((number * scale).rounded(.down) / scale)
        default: throw TemplateError("method must be common, ceil or floor")
        }
    }
}
