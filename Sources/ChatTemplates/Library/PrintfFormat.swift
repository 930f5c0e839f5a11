/// Python's `format % values` for the conversions that templates use: `%s %r %d %i %f %.2f %x %%` and `%(name)s`,
/// with width, `-` and `0`.
enum PrintfFormat {
    static func apply(_ format: TaggedText, _ values: Value, _ budget: Budget) throws(TemplateError) -> TaggedText {
        var list: [Value] = [values]
        if case .sequence(let sequence) = values, sequence.kind == .tuple { list = sequence.elements }
        var next = 0
        var result = TaggedText(), index = 0
        func scalar(_ index: Int) -> Unicode.Scalar? {
            index < format.count ? TaggedText.scalar(format.units[index]) : nil
        }
        while index < format.count {
            guard scalar(index) == "%" else {
                result.units.append(format.units[index])
                index += 1
                continue
            }
            index += 1
            var value: Value?
            if scalar(index) == "(" {
                guard let close = format.firstIndex(of: TaggedText(")"), from: index) else {
                    throw TemplateError("incomplete format key")
                }
                guard case .dictionary(let members) = values else { throw TemplateError("format requires a mapping") }
                value = try Attributes.item(.string(format[(index + 1)..<close]), of: .dictionary(members), budget)
                index = close + 1
            }
            var specification = FormatSpecification()
            while let flag = scalar(index), flag == "-" || flag == "0" || flag == "+" || flag == " " {
                if flag == "-" { specification.isLeft = true }
                if flag == "0" { specification.fillsZeros = true }
                if flag == "+" { specification.showsPlus = true }
                index += 1
            }
            index = try specification.readWidth(format, from: index)
            guard let conversion = scalar(index) else { throw TemplateError("incomplete format") }
            index += 1
            if conversion == "%" {
                result.append("%")
                continue
            }
            if value == nil {
                guard next < list.count else { throw TemplateError("not enough arguments for format string") }
                value = list[next]
                next += 1
            }
            result.units += try specification.text(of: value ?? .none, Character(conversion), budget).units
            try budget.checkLength(result.count)
        }
        if case .dictionary = values { return try budget.checked(result) }
        guard next == list.count else { throw TemplateError("not all arguments converted during string formatting") }
        return try budget.checked(result)
    }
}

/// Width, precision and alignment of a formatted value.
struct FormatSpecification {
    var isLeft = false
    var fillsZeros = false
    var showsPlus = false
    var width = 0
    var precision: Int?

    /// Reads `width.precision` and gives the index behind it.
    mutating func readWidth(_ format: TaggedText, from start: Int) throws(TemplateError) -> Int {
        var index = start
        func digits() throws(TemplateError) -> Int {
            var value = 0
            while index < format.count, let digit = Int(String(Character(TaggedText.scalar(format.units[index])))) {
                value = value * 10 + digit
                index += 1
                guard value <= 10_000 else { throw TemplateError("a format asks for more than 10000 characters") }
            }
            return value
        }
        width = try digits()
        if index < format.count, TaggedText.scalar(format.units[index]) == "." {
            index += 1
            precision = try digits()
        }
        return index
    }

    func text(of value: Value, _ conversion: Character, _ budget: Budget) throws(TemplateError) -> TaggedText {
        let body: TaggedText
        switch conversion {
        case "s", "r":
            let whole =
                conversion == "s"
                ? try PythonText.string(value, budget) : try PythonText.representation(value, budget)
            body = precision.map { whole[0..<min($0, whole.count)] } ?? whole
        case "d", "i", "u", "x", "X":
            guard let integer = try whole(value) else {
                throw TemplateError("%\(conversion) format: a real number is required, not \(value.typeName)")
            }
            let radix = conversion == "x" || conversion == "X" ? 16 : 10
            body = signed(String(integer, radix: radix, uppercase: conversion == "X"))
        case "f", "F":
            guard let number = value.integer.map(Double.init) ?? value.float, number.isFinite else {
                throw TemplateError("must be real number, not \(value.typeName)")
            }
            body = signed(try DecimalText.fixed(number, digits: precision ?? 6))
        default: throw .unsupported("the format character '\(conversion)'")
        }
        return try padded(body, isNumber: conversion != "s" && conversion != "r", budget)
    }

    private func whole(_ value: Value) throws(TemplateError) -> Int? {
        value.integer ?? value.float.flatMap { Int(exactly: $0.rounded(.towardZero)) }
    }

    private func signed(_ text: String) -> TaggedText {
        TaggedText(showsPlus && !text.hasPrefix("-") ? "+" + text : text)
    }

    private func padded(_ text: TaggedText, isNumber: Bool, _ budget: Budget) throws(TemplateError) -> TaggedText {
        let missing = width - text.count
        guard missing > 0 else { return text }
        if isLeft { return text + (try budget.repeated(TaggedText(" "), missing)) }
        guard fillsZeros, isNumber else { return try budget.repeated(TaggedText(" "), missing) + text }
        let hasSign = text.units.first.map { $0 == 0x2D || $0 == 0x2B } ?? false
        let split = hasSign ? 1 : 0
        return text[0..<split] + (try budget.repeated(TaggedText("0"), missing)) + text[split..<text.count]
    }
}

extension Value {
    var float: Double? { if case .float(let value) = self { value } else { nil } }
}

/// Decimal text of a fixed number of digits, exactly rounded.
enum DecimalText {
    /// The digits of the exact binary value, rounded half to even as C's printf does.
    static func fixed(_ value: Double, digits: Int) throws(TemplateError) -> String {
        guard digits <= 60 else { throw TemplateError("a number is formatted with more than 60 decimals") }
        guard value.magnitude < 1e15 else { throw TemplateError("a number of 1e15 or more is formatted as decimal") }
        // Whole part and fraction are exact; the fraction's decimals come out one by one.
        let whole = value.magnitude.rounded(.down)
        var fraction = value.magnitude - whole
        var bits: [UInt8] = []
        while fraction > 0 {
            fraction *= 2
            bits.append(fraction >= 1 ? 1 : 0)
            if fraction >= 1 { fraction -= 1 }
        }
        // The fraction as decimal digits: sum of bits times 5^k over 10^k.
        var decimals: [UInt8] = []
        for bit in bits.reversed() {
            // Halve (bit . decimals).
            var carry = bit
            var halved: [UInt8] = []
            for digit in decimals {
                let current = carry * 10 + digit
                halved.append(current / 2)
                carry = current % 2
            }
            while carry > 0 {
                let current = carry * 10
                halved.append(current / 2)
                carry = current % 2
            }
            decimals = halved
        }
        var number = Array(String(UInt64(whole)).utf8.map { $0 - 0x30 })
        let wholeCount = number.count
        number += (0..<digits).map { $0 < decimals.count ? decimals[$0] : 0 }
        let rest = decimals.dropFirst(digits)
        let isAboveHalf = rest.first.map { $0 > 5 || ($0 == 5 && rest.dropFirst().contains { $0 > 0 }) } ?? false
        let isHalf = rest.first == 5 && !rest.dropFirst().contains { $0 > 0 }
        var added = 0
        if isAboveHalf || (isHalf && (number.last ?? 0) % 2 == 1) {
            var index = number.count - 1
            while index >= 0, number[index] == 9 {
                number[index] = 0
                index -= 1
            }
            if index >= 0 {
                number[index] += 1
            } else {
                number.insert(1, at: 0)
                added = 1
            }
        }
        let text = String(decoding: number.map { $0 + 0x30 }, as: UTF8.self)
        let split = text.index(text.startIndex, offsetBy: wholeCount + added)
        let sign = value.sign == .minus ? "-" : ""
        return sign + text[..<split] + (digits > 0 ? "." + text[split...] : "")
    }
}
