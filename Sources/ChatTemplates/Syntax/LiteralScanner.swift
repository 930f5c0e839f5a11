/// Names, numbers and strings inside tags.
enum LiteralScanner {
    /// The literal that begins at `position`, which moves behind it; nil where none does.
    static func scan(_ source: [UInt32], _ position: inout Int) throws(TemplateError) -> Token.Kind? {
        let unit = source[position]
        if unit == 0x27 || unit == 0x22 { return .string(try string(source, &position)) }
        if isDigit(unit) { return try number(source, &position) }
        guard isNameStart(unit) else { return nil }
        let start = position
        while position < source.count, isNameStart(source[position]) || isNameRest(source[position]) { position += 1 }
        return .name(TaggedText(units: Array(source[start..<position])).string)
    }

    private static func isDigit(_ unit: UInt32) -> Bool { unit >= 0x30 && unit <= 0x39 }

    private static func isNameStart(_ unit: UInt32) -> Bool {
        unit == 0x5F || TaggedText.scalar(unit).properties.isXIDStart
    }

    private static func isNameRest(_ unit: UInt32) -> Bool { TaggedText.scalar(unit).properties.isXIDContinue }

    // MARK: Numbers

    private static func number(_ source: [UInt32], _ position: inout Int) throws(TemplateError) -> Token.Kind {
        let start = position
        func at(_ index: Int) -> UInt32 { index < source.count ? source[index] : 0 }
        /// Digits with single underscores between them.
        func digits(_ accepts: (UInt32) -> Bool) -> String {
            var text = ""
            while accepts(at(position)) || (at(position) == 0x5F && accepts(at(position + 1)) && !text.isEmpty) {
                if at(position) != 0x5F { text.unicodeScalars.append(TaggedText.scalar(at(position))) }
                position += 1
            }
            return text
        }
        if at(start) == 0x30 {
            let radix: Int? =
                switch at(start + 1) | 0x20 {
                case 0x78: 16
                case 0x6F: 8
                case 0x62: 2
                default: nil
                }
            if let radix {
                position += 2
                let text = digits { TaggedText.scalar($0).properties.isASCIIHexDigit }
                guard let value = Int(text, radix: radix) else {
                    throw TemplateError("a number in base \(radix) is expected", at: start)
                }
                return .integer(value)
            }
        }
        var text = digits(isDigit)
        var isFloat = false
        // In `a.0.1` both numbers are indices.
        if start > 0, at(start - 1) == 0x2E { return Int(text).map { .integer($0) } ?? .digits(text) }
        if at(position) == 0x2E, isDigit(at(position + 1)) {
            position += 1
            text += "." + digits(isDigit)
            isFloat = true
        }
        if at(position) | 0x20 == 0x65 {
            let signed = at(position + 1) == 0x2B || at(position + 1) == 0x2D
            if isDigit(at(position + (signed ? 2 : 1))) {
                text += "e" + (at(position + 1) == 0x2D ? "-" : "")
                position += signed ? 2 : 1
                text += digits(isDigit)
                isFloat = true
            }
        }
        if isFloat {
            guard let value = Double(text), value.isFinite else {
                throw TemplateError("the number \(text) is outside the range of a double", at: start)
            }
            return .float(value)
        }
        return Int(text).map { .integer($0) } ?? .digits(text)
    }

    // MARK: Strings

    private static func string(_ source: [UInt32], _ position: inout Int) throws(TemplateError) -> [UInt32] {
        let start = position, mark = source[position]
        position += 1
        var text: [UInt32] = []
        while position < source.count {
            let unit = source[position]
            position += 1
            if unit == mark { return text }
            guard unit == 0x5C else {
                text.append(unit)
                continue
            }
            guard position < source.count else { break }
            try escape(source, &position, into: &text)
        }
        throw TemplateError("the string does not end", at: start)
    }

    /// What follows a backslash, as Python reads it; an unknown escape stays as it is written.
    private static func escape(_ source: [UInt32], _ position: inout Int, into text: inout [UInt32])
        throws(TemplateError)
    {
        let start = position - 1
        let unit = source[position]
        position += 1
        func hexadecimal(_ width: Int) throws(TemplateError) -> UInt32 {
            let digits = source[position..<min(position + width, source.count)]
            let spelled = TaggedText(units: Array(digits)).string
            guard spelled.unicodeScalars.count == width, let value = UInt32(spelled, radix: 16),
                Unicode.Scalar(value) != nil
            else {
                throw TemplateError("the escape needs \(width) hexadecimal digits of a character", at: start)
            }
            position += width
            return value
        }
        switch TaggedText.scalar(unit) {
        case "n": text.append(0x0A)
        case "t": text.append(0x09)
        case "r": text.append(0x0D)
        case "a": text.append(0x07)
        case "b": text.append(0x08)
        case "f": text.append(0x0C)
        case "v": text.append(0x0B)
        case "\\", "'", "\"": text.append(unit)
        case "\n": break
        case "x": text.append(try hexadecimal(2))
        case "u":
            // A character beyond U+FFFF may be written as two halves.
            if let pair = surrogatePair(source, position) {
                position += 10
                text.append(pair)
            } else {
                text.append(try hexadecimal(4))
            }
        case "U": text.append(try hexadecimal(8))
        case "0"..."7":
            var value = unit - 0x30, count = 1
            while count < 3, position < source.count, (0x30...0x37).contains(source[position]) {
                value = value * 8 + source[position] - 0x30
                position += 1
                count += 1
            }
            text.append(value)
        default: text += [0x5C, unit]
        }
    }

    private static func surrogatePair(_ source: [UInt32], _ position: Int) -> UInt32? {
        func half(_ start: Int, _ range: ClosedRange<UInt32>) -> UInt32? {
            guard start >= 0, start + 4 <= source.count,
                let value = UInt32(TaggedText(units: Array(source[start..<start + 4])).string, radix: 16),
                range.contains(value)
            else { return nil }
            return value
        }
        guard let high = half(position, 0xD800...0xDBFF), position + 6 <= source.count, source[position + 4] == 0x5C,
            source[position + 5] == 0x75, let low = half(position + 6, 0xDC00...0xDFFF)
        else { return nil }
        return 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
    }
}
