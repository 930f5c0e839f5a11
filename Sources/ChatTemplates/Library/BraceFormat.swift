/// Python's `str.format` with fields such as `{}`, `{0}`, `{name}` and `{0.member}`, and specifications of width,
/// alignment to the left or right, precision, `d`, `f` and `s`.
enum BraceFormat {
    static func apply(_ format: TaggedText, _ arguments: CallArguments, _ interpreter: Interpreter)
        throws(TemplateError) -> TaggedText
    {
        var result = TaggedText(), index = 0, automatic = 0
        func scalar(_ index: Int) -> Unicode.Scalar? {
            index < format.count ? TaggedText.scalar(format.units[index]) : nil
        }
        while let current = scalar(index) {
            if current == "{" || current == "}", scalar(index + 1) == current {
                result.units.append(format.units[index])
                index += 2
                continue
            }
            guard current == "{" else {
                guard current != "}" else { throw TemplateError("Single '}' encountered in format string") }
                result.units.append(format.units[index])
                index += 1
                continue
            }
            guard let close = format.firstIndex(of: TaggedText("}"), from: index) else {
                throw TemplateError("expected '}' before end of string")
            }
            let field = format[(index + 1)..<close]
            index = close + 1
            let parts = field.split(at: TaggedText(":"), limit: 1)
            var sides = parts[0].split(at: TaggedText("!"), limit: 1)
            let path = sides.removeFirst().split(at: TaggedText("."))
            var value: Value
            let name = path[0].string
            if name.isEmpty || Int(name) != nil {
                let position = Int(name) ?? automatic
                if name.isEmpty { automatic += 1 }
                guard position >= 0, position < arguments.positional.count else {
                    throw TemplateError("Replacement index \(position) out of range for positional args tuple")
                }
                value = arguments.positional[position]
            } else if let named = arguments.keyword.first(where: { $0.name == name }) {
                value = named.value
            } else {
                throw TemplateError("the format names '\(name)', which was not given")
            }
            for part in path.dropFirst() {
                value = try Attributes.attribute(part.string, of: value, interpreter.budget)
            }
            let isRepresentation = sides.first?.spells("r") == true
            if isRepresentation { value = .string(try PythonText.representation(value, interpreter.budget)) }
            result.units += try formatted(value, parts.count > 1 ? parts[1] : TaggedText(), interpreter.budget).units
            try interpreter.budget.checkLength(result.count)
        }
        return try interpreter.budget.checked(result)
    }

    private static func formatted(_ value: Value, _ text: TaggedText, _ budget: Budget) throws(TemplateError)
        -> TaggedText
    {
        guard !text.isEmpty else { return try PythonText.string(value, budget) }
        var specification = FormatSpecification(), index = 0
        specification.isLeft = value.string != nil
        if let first = text.units.first.map(TaggedText.scalar), first == "<" || first == ">" {
            specification.isLeft = first == "<"
            index = 1
        }
        if index < text.count, TaggedText.scalar(text.units[index]) == "+" {
            specification.showsPlus = true
            index += 1
        }
        if index < text.count, TaggedText.scalar(text.units[index]) == "0" { specification.fillsZeros = true }
        index = try specification.readWidth(text, from: index)
        let isFloat = value.float != nil
        let standard: Character = value.string != nil ? "s" : isFloat && specification.precision != nil ? "f" : "s"
        let conversion = index < text.count ? Character(TaggedText.scalar(text.units[index])) : standard
        guard index >= text.count - 1, "sdfx".contains(conversion) else {
            throw .unsupported("the format '\(text.string)'")
        }
        return try specification.text(of: value, conversion, budget)
    }
}
