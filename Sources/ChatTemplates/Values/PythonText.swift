internal import System

/// Python's `str` and `repr` of values.
enum PythonText {
    /// `str(value)`: what `{{ value }}` prints.
    static func string(_ value: Value, _ budget: Budget) throws(TemplateError) -> TaggedText {
        switch value {
        case .string(let text): return text
        case .undefined: return TaggedText()
        default: return try representation(value, budget)
        }
    }

    /// `repr(value)`.
    static func representation(_ value: Value, _ budget: Budget) throws(TemplateError) -> TaggedText {
        var output = TaggedText()
        try write(value, into: &output, budget)
        return try budget.checked(output)
    }

    private static func write(_ value: Value, into output: inout TaggedText, _ budget: Budget) throws(TemplateError) {
        try budget.spend(1)
        try budget.checkLength(output.count)
        switch value {
        case .undefined: output.append("Undefined")
        case .none: output.append("None")
        case .bool(let value): output.append(value ? "True" : "False")
        case .integer(let value): output.append(String(value))
        case .digits(let text): output.append(text)
        case .float(let value): output.append(float(value))
        case .string(let text): quote(text, into: &output)
        case .sequence(let sequence): try write(sequence, into: &output, budget)
        case .dictionary(let dictionary):
            output.append("{")
            for (index, (key, value)) in zip(dictionary.keys, dictionary.values).enumerated() {
                if index > 0 { output.append(", ") }
                try write(key, into: &output, budget)
                output.append(": ")
                try write(value, into: &output, budget)
            }
            output.append("}")
        case .namespace(let namespace):
            output.append("<Namespace {")
            for (index, name) in namespace.names.enumerated() {
                output.append("\(index > 0 ? ", " : "")'\(name)': ")
                try write(namespace.members[name] ?? .none, into: &output, budget)
            }
            output.append("}>")
        case .callable, .loop:
            throw TemplateError("a \(value.typeName) is printed", remedy: "Call it, or leave it out")
        }
    }

    private static func write(_ sequence: ValueSequence, into output: inout TaggedText, _ budget: Budget)
        throws(TemplateError)
    {
        let brackets: (String, String)
        switch sequence.kind {
        case .list: brackets = ("[", "]")
        case .tuple: brackets = ("(", sequence.elements.count == 1 ? ",)" : ")")
        case .range: brackets = ("[", "]")
        case .items, .keys, .values: brackets = ("\(sequence.kind.typeName)([", "])")
        case .generator:
            throw TemplateError("the result of a filter is printed as it is", remedy: "Put |list or |join behind it")
        }
        output.append(brackets.0)
        for (index, element) in sequence.elements.enumerated() {
            if index > 0 { output.append(", ") }
            try write(element, into: &output, budget)
        }
        output.append(brackets.1)
    }

    static func float(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        return JSONNumber.shortest(value)
    }

    /// A string in the quotation marks that need no escape, its unprintable characters escaped.
    private static func quote(_ text: TaggedText, into output: inout TaggedText) {
        let hasSingle = text.units.contains { $0 & TaggedText.scalarMask == 0x27 }
        let hasDouble = text.units.contains { $0 & TaggedText.scalarMask == 0x22 }
        let mark: Unicode.Scalar = hasSingle && !hasDouble ? "\"" : "'"
        output.append(String(Character(mark)))
        for unit in text.units {
            let scalar = TaggedText.scalar(unit)
            switch scalar {
            case "\\", mark: output.append("\\" + String(Character(scalar)), like: unit)
            case "\n": output.append("\\n", like: unit)
            case "\r": output.append("\\r", like: unit)
            case "\t": output.append("\\t", like: unit)
            default:
                if isPrintable(scalar) { output.units.append(unit) } else { output.append(escape(scalar), like: unit) }
            }
        }
        output.append(String(Character(mark)))
    }

    /// `str.isprintable` of one character.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: scalar == " "
        default: true
        }
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let hex = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\" + letter + String(repeating: "0", count: width - hex.count) + hex
    }
}

extension TaggedText {
    /// Appends text of the template's origin.
    mutating func append(_ text: String) {
        for scalar in text.unicodeScalars { units.append(scalar.value) }
    }

    /// Appends text of the origin of a unit.
    mutating func append(_ text: String, like unit: UInt32) {
        for scalar in text.unicodeScalars { units.append(Self.replacing(unit, by: scalar)) }
    }
}
