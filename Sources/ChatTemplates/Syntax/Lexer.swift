/// Cuts a template into tokens as Jinja2 does with `trim_blocks` and `lstrip_blocks`: the first line end after a
/// statement or comment is dropped, and so are spaces from the start of its line to it; `-` in a tag drops all white
/// space on its side, `+` keeps it. One line end at the end of the template is dropped.
struct Lexer {
    /// The scalars of the source, line ends as LF.
    let source: [UInt32]
    private var position = 0
    private var tokens: [Token] = []
    /// Whether what was read last ended a line: white space before a tag is then the start of its line.
    private var isAtLineStart = true

    /// - Throws: where the source is too long.
    init(_ template: String) throws(TemplateError) {
        guard template.utf8.count <= TemplateLimits.sourceByteCount else {
            throw TemplateError("the template has more than \(TemplateLimits.sourceByteCount) bytes")
        }
        var source: [UInt32] = []
        source.reserveCapacity(template.utf8.count)
        for scalar in template.unicodeScalars {
            if scalar == "\n", source.last == 0x0D {
                source[source.count - 1] = 0x0A
            } else {
                source.append(scalar.value)
            }
        }
        for index in source.indices where source[index] == 0x0D { source[index] = 0x0A }
        if source.last == 0x0A { source.removeLast() }
        self.source = source
    }

    /// The tokens, `end` last.
    mutating func tokenize() throws(TemplateError) -> [Token] {
        while let tag = findTag() {
            try add(tag)
        }
        addData(position..<source.count)
        tokens.append(Token(kind: .end, offset: source.count))
        return tokens
    }

    // MARK: Text and tags

    private enum TagKind { case statement, variable, comment }

    private struct Tag {
        let kind: TagKind
        let start: Int
        /// `-`, `+` or nothing after the opening.
        let sign: UInt32?
    }

    private func at(_ index: Int) -> UInt32? { index < source.count ? source[index] : nil }

    private func isCharacter(_ index: Int, _ character: Unicode.Scalar) -> Bool { at(index) == character.value }

    private func findTag() -> Tag? {
        var index = position
        while index + 1 < source.count {
            if isCharacter(index, "{") {
                let kind: TagKind? =
                    switch Unicode.Scalar(source[index + 1]) {
                    case "%": .statement
                    case "{": .variable
                    case "#": .comment
                    default: nil
                    }
                if let kind {
                    let next = at(index + 2)
                    let isSign = next == 0x2D || next == 0x2B
                    return Tag(kind: kind, start: index, sign: isSign ? next : nil)
                }
            }
            index += 1
        }
        return nil
    }

    private mutating func addData(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        tokens.append(Token(kind: .data(Array(source[range])), offset: range.lowerBound))
    }

    /// The text before a tag, without the white space that the tag takes away.
    private mutating func addText(before tag: Tag, from start: Int) {
        var end = tag.start
        if tag.sign == 0x2D {
            while end > start, TaggedText.isSpace(source[end - 1]) { end -= 1 }
        } else if tag.sign == nil, tag.kind != .variable {
            var lineStart = end
            while lineStart > start, source[lineStart - 1] != 0x0A { lineStart -= 1 }
            let isLine = lineStart > start || isAtLineStart
            if isLine, source[lineStart..<end].allSatisfy(TaggedText.isSpace) { end = lineStart }
        }
        addData(start..<end)
    }

    private mutating func add(_ tag: Tag) throws(TemplateError) {
        addText(before: tag, from: position)
        let inner = tag.start + 2 + (tag.sign == nil ? 0 : 1)
        isAtLineStart = false
        switch tag.kind {
        case .comment:
            position = inner
            guard let end = find("#}", from: inner) else {
                throw TemplateError("the comment does not end", at: tag.start, remedy: "Close it with #}")
            }
            let sign = end > inner ? source[end - 1] : 0
            close(at: end, sign: sign == 0x2D || sign == 0x2B ? sign : nil, trimsLine: true)
        case .statement:
            if let end = rawBegin(inner) { return try addRaw(from: end, of: tag) }
            tokens.append(Token(kind: .blockBegin, offset: tag.start))
            position = inner
            try addInside(closing: "%}", .blockEnd, of: tag)
        case .variable:
            tokens.append(Token(kind: .variableBegin, offset: tag.start))
            position = inner
            try addInside(closing: "}}", .variableEnd, of: tag)
        }
    }

    private func find(_ text: String, from start: Int) -> Int? {
        let wanted = text.unicodeScalars.map(\.value)
        guard start + wanted.count <= source.count else { return nil }
        return (start...(source.count - wanted.count)).first { source[$0..<($0 + wanted.count)].elementsEqual(wanted) }
    }

    /// Steps over a tag's end at `index` and the white space that it takes away.
    private mutating func close(at index: Int, sign: UInt32?, trimsLine: Bool) {
        position = index + 2
        if sign == 0x2D {
            while let next = at(position), TaggedText.isSpace(next) { position += 1 }
        } else if sign == nil, trimsLine, isCharacter(position, "\n") {
            position += 1
        }
        isAtLineStart = isCharacter(position - 1, "\n")
    }

    // MARK: Raw text

    private func skipSpace(_ index: Int) -> Int {
        var index = index
        while let next = at(index), TaggedText.isSpace(next) { index += 1 }
        return index
    }

    private func isWord(_ word: String, at index: Int) -> Bool {
        var index = index
        for scalar in word.unicodeScalars {
            guard at(index) == scalar.value else { return false }
            index += 1
        }
        return true
    }

    /// Where the text of a raw block begins, if the tag opens one.
    private func rawBegin(_ inner: Int) -> Int? {
        var index = skipSpace(inner)
        guard isWord("raw", at: index) else { return nil }
        index = skipSpace(index + 3)
        if isWord("-%}", at: index) { return skipSpace(index + 3) }
        return isWord("%}", at: index) ? index + 2 : nil
    }

    private mutating func addRaw(from start: Int, of tag: Tag) throws(TemplateError) {
        var search = start
        while let open = find("{%", from: search) {
            let next = at(open + 2)
            let sign = next == 0x2D || next == 0x2B ? next : nil
            var index = skipSpace(open + 2 + (sign == nil ? 0 : 1))
            if isWord("endraw", at: index) {
                index = skipSpace(index + 6)
                let endSign = at(index) == 0x2D || at(index) == 0x2B ? at(index) : nil
                if endSign != nil { index += 1 }
                if isWord("%}", at: index) {
                    addText(before: Tag(kind: .statement, start: open, sign: sign), from: start)
                    close(at: index, sign: endSign, trimsLine: true)
                    return
                }
            }
            search = open + 2
        }
        throw TemplateError("the raw text does not end", at: tag.start, remedy: "Close it with {% endraw %}")
    }

    // MARK: Inside tags

    private mutating func addInside(closing: String, _ kind: Token.Kind, of tag: Tag) throws(TemplateError) {
        var brackets: [(close: String, offset: Int)] = []
        while let unit = at(position) {
            if brackets.isEmpty {
                let sign = isWord("-" + closing, at: position) ? 0x2D : isWord("+" + closing, at: position) ? 0x2B : 0
                if sign == 0x2D || (sign == 0x2B && kind == .blockEnd) || isWord(closing, at: position) {
                    tokens.append(Token(kind: kind, offset: position))
                    close(
                        at: position + (sign == 0 ? 0 : 1), sign: sign == 0 ? nil : UInt32(sign),
                        trimsLine: kind == .blockEnd)
                    return
                }
            }
            if TaggedText.isSpace(unit) {
                position += 1
                continue
            }
            let offset = position
            if let literal = try LiteralScanner.scan(source, &position) {
                tokens.append(Token(kind: literal, offset: offset))
                continue
            }
            guard let symbol = Self.symbols.first(where: { isWord($0, at: offset) }) else {
                throw TemplateError(
                    "unexpected character '\(Character(TaggedText.scalar(unit)))' in a tag", at: position)
            }
            switch symbol {
            case "(": brackets.append((")", offset))
            case "[": brackets.append(("]", offset))
            case "{": brackets.append(("}", offset))
            case ")", "]", "}":
                guard let open = brackets.popLast() else { throw TemplateError("unexpected '\(symbol)'", at: offset) }
                guard open.close == symbol else {
                    throw TemplateError("unexpected '\(symbol)', expected '\(open.close)'", at: offset)
                }
            default: break
            }
            tokens.append(Token(kind: .symbol(symbol), offset: offset))
            position += symbol.unicodeScalars.count
        }
        throw TemplateError("the tag does not end", at: tag.start, remedy: "Close it with \(closing)")
    }

    /// Operators, the longer ones first.
    private static let symbols = [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
        ".", ":", "|", ",", ";",
    ]
}
