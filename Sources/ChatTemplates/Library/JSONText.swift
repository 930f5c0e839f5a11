internal import System

/// Python's `json.dumps`, as transformers' `tojson` calls it: characters outside ASCII as they are, nothing escaped
/// for HTML.
enum JSONText {
    struct Style {
        var escapesNonASCII = false
        /// What an inner level is indented by; nil writes one line.
        var indentation: TaggedText?
        var itemSeparator = TaggedText(", ")
        var keySeparator = TaggedText(": ")
        var sortsKeys = false

        /// Reads `tojson(ensure_ascii, indent, separators, sort_keys)`.
        init(_ arguments: CallArguments) throws(TemplateError) {
            let bound = try arguments.bind("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
            escapesNonASCII = bound.truth(0)
            sortsKeys = bound.truth(3)
            if let text = bound[1]?.string {
                indentation = text
            } else if let width = try bound.integer(1) {
                guard width <= 64 else { throw TemplateError("tojson() takes an indent of at most 64") }
                indentation = TaggedText(String(repeating: " ", count: max(0, width)))
            }
            if indentation != nil { itemSeparator = TaggedText(",") }
            if case .sequence(let pair) = bound[2] {
                guard pair.elements.count == 2, let item = pair.elements[0].string, let key = pair.elements[1].string
                else { throw TemplateError("tojson() takes two strings as separators") }
                itemSeparator = item
                keySeparator = key
            }
        }
    }

    static func write(_ value: Value, _ style: Style, _ budget: Budget) throws(TemplateError) -> TaggedText {
        var output = TaggedText()
        try write(value, style, level: 0, into: &output, budget)
        return try budget.checked(output)
    }

    private static func write(
        _ value: Value, _ style: Style, level: Int, into output: inout TaggedText, _ budget: Budget
    ) throws(TemplateError) {
        try budget.spend(1)
        try budget.checkLength(output.count)
        switch value {
        case .none: output.append("null")
        case .bool(let value): output.append(value ? "true" : "false")
        case .integer(let value): output.append(String(value))
        case .digits(let text): output.append(text)
        case .float(let value): output.append(number(value))
        case .string(let text): write(text, style, into: &output)
        case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
            guard !sequence.elements.isEmpty else { return output.append("[]") }
            output.append("[")
            for (index, element) in sequence.elements.enumerated() {
                separate(index, style, level: level + 1, into: &output)
                try write(element, style, level: level + 1, into: &output, budget)
            }
            newLine(style, level: level, into: &output)
            output.append("]")
        case .dictionary(let dictionary): try write(dictionary, style, level: level, into: &output, budget)
        default: throw TemplateError("Object of type \(value.typeName) is not JSON serializable")
        }
    }

    private static func write(
        _ dictionary: ValueDictionary, _ style: Style, level: Int, into output: inout TaggedText, _ budget: Budget
    ) throws(TemplateError) {
        guard dictionary.count > 0 else { return output.append("{}") }
        var order = Array(0..<dictionary.count)
        if style.sortsKeys {
            let indices = try Sorting.sorted(
                order.map { .integer($0) }, by: dictionary.keys, isReversed: false, budget)
            order = indices.compactMap(\.integer)
        }
        output.append("{")
        for (index, position) in order.enumerated() {
            separate(index, style, level: level + 1, into: &output)
            write(try key(dictionary.keys[position]), style, into: &output)
            output.units += style.keySeparator.units
            try write(dictionary.values[position], style, level: level + 1, into: &output, budget)
        }
        newLine(style, level: level, into: &output)
        output.append("}")
    }

    private static func key(_ key: Value) throws(TemplateError) -> TaggedText {
        switch key {
        case .string(let text): return text
        case .none: return TaggedText("null")
        case .bool(let value): return TaggedText(value ? "true" : "false")
        case .integer(let value): return TaggedText(String(value))
        case .digits(let text): return TaggedText(text)
        case .float(let value): return TaggedText(number(value))
        default: throw TemplateError("keys must be str, int, float, bool or None, not \(key.typeName)")
        }
    }

    private static func number(_ value: Double) -> String {
        value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : PythonText.float(value)
    }

    private static func separate(_ index: Int, _ style: Style, level: Int, into output: inout TaggedText) {
        if index > 0 { output.units += style.itemSeparator.units }
        newLine(style, level: level, into: &output)
    }

    private static func newLine(_ style: Style, level: Int, into output: inout TaggedText) {
        guard let indentation = style.indentation else { return }
        output.append("\n")
        for _ in 0..<level { output.units += indentation.units }
    }

    /// A string; what an escape stands for keeps its origin.
    private static func write(_ text: TaggedText, _ style: Style, into output: inout TaggedText) {
        output.append("\"")
        for unit in text.units {
            let scalar = TaggedText.scalar(unit)
            switch scalar.value {
            case 0x22: output.append("\\\"", like: unit)
            case 0x5C: output.append("\\\\", like: unit)
            case 0x0A: output.append("\\n", like: unit)
            case 0x0D: output.append("\\r", like: unit)
            case 0x09: output.append("\\t", like: unit)
            case 0x08: output.append("\\b", like: unit)
            case 0x0C: output.append("\\f", like: unit)
            case 0x00..<0x20: output.append(escape(UInt16(scalar.value)), like: unit)
            case 0x7F...:
                if style.escapesNonASCII, scalar.value > 0x7F {
                    for half in String(Character(scalar)).utf16 { output.append(escape(half), like: unit) }
                } else {
                    output.units.append(unit)
                }
            default: output.units.append(unit)
            }
        }
        output.append("\"")
    }

    private static func escape(_ unit: UInt16) -> String {
        let hex = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
    }
}
