/// A strict reader of the part of YAML 1.2 that configuration files use, JSON included, for input nobody vouches for.
///
/// Block and flow mappings and sequences, plain and quoted scalars of one line, comments, `---` before the document and
/// `...` behind it. Refused by name: anchors and aliases (so no document is larger than its text), tags, directives,
/// scalars over several lines, keys that are not scalars, a second document, tabs in indentation, a key twice. Every
/// refusal says line and column. Linear in the length of the text.
package struct YAMLParser {
    /// Collections within collections that are accepted.
    package static let depthLimit = 16

    private var text: YAMLText

    /// Parses a document; an empty one is null.
    ///
    /// - Throws: `Failure` of kind `badData` with line and column.
    package static func parse(_ bytes: [UInt8]) throws(Failure) -> YAMLNode {
        var parser = YAMLParser(text: try YAMLText(bytes))
        return try parser.document()
    }

    // MARK: - Blocks

    private mutating func document() throws(Failure) -> YAMLNode {
        var hasContent = try text.nextContent()
        if hasContent, text.indentation == 0, text.byte() == UInt8(ascii: "%") {
            throw text.failure("directives are not supported", remedy: "Remove the line")
        }
        if !hasContent, text.isMarker("---") {
            text.position += 3
            try text.finishLine()
            text.passLineEnd()
            hasContent = try text.nextContent()
        }
        let place = text.here()
        let root =
            hasContent
            ? try block(depth: 1) : YAMLNode(content: .scalar("", isQuoted: false), place: place)
        guard try !text.nextContent() else {
            throw text.failure("the line goes on with nothing above it: its indentation fits no other line's")
        }
        if text.isMarker("...") {
            text.position += 3
            try text.finishLine()
            text.passLineEnd()
            guard try !text.nextContent() else { throw text.failure("text follows the end of the document") }
        }
        guard text.position == text.bytes.count else {
            throw text.failure("a second document begins", remedy: "Put each into a file of its own")
        }
        return root
    }

    /// The value that begins here, in a line of its own or behind the dash of an entry.
    private mutating func block(depth: Int) throws(Failure) -> YAMLNode {
        if text.isSequenceEntry { return try blockSequence(depth: depth) }
        let place = text.here(), column = text.indentation
        guard !text.isFlowIndicator(text.byte()) else { return try inlineValue(depth: depth) }
        let scalar = try text.scalar(inFlow: false)
        text.skipBlanks()
        if text.byte() == UInt8(ascii: ":"), text.isBlankOrEnd(text.byte(1)) {
            return try blockMapping(depth: depth, column: column, first: (scalar.text, place))
        }
        try text.finishLine()
        return YAMLNode(content: .scalar(scalar.text, isQuoted: scalar.isQuoted), place: place)
    }

    private mutating func checkDepth(_ depth: Int) throws(Failure) {
        if depth > Self.depthLimit { throw text.failure("values are nested deeper than \(Self.depthLimit)") }
    }

    /// A mapping whose first key was read already; the position is at the colon behind it.
    private mutating func blockMapping(
        depth: Int, column: Int, first: (key: String, place: Failure.Place)
    ) throws(Failure) -> YAMLNode {
        try checkDepth(depth)
        var entries = EntryList(), (key, place) = first
        while true {
            try entries.check(key, place)
            text.position += 1
            text.skipBlanks()
            entries.append(key, place, try mappedValue(depth: depth, column: column))
            guard try text.nextContent(), text.indentation >= column else { break }
            guard text.indentation == column else {
                throw text.failure(
                    "the line is indented further than the key above it",
                    remedy: "Write a value in the line of its key, and long text in quotation marks")
            }
            guard !text.isSequenceEntry else { throw text.failure("a list entry stands where a key is expected") }
            place = text.here()
            key = try text.scalar(inFlow: false).text
            text.skipBlanks()
            guard text.byte() == UInt8(ascii: ":"), text.isBlankOrEnd(text.byte(1)) else {
                throw text.failure(
                    "a colon and a space are expected behind the key \"\(key)\", not \(text.found)",
                    remedy: "Write it as key: value")
            }
        }
        return YAMLNode(content: .mapping(entries.entries), place: first.place)
    }

    /// The value behind a key and its colon: in its line, or in the lines below.
    private mutating func mappedValue(depth: Int, column: Int) throws(Failure) -> YAMLNode {
        guard text.isLineEnd(text.byte()) || text.byte() == UInt8(ascii: "#") else {
            return try inlineValue(depth: depth + 1)
        }
        let place = text.here()
        try text.finishLine()
        if try text.nextContent(), text.indentation > column || text.indentation == column && text.isSequenceEntry {
            return try block(depth: depth + 1)
        }
        return YAMLNode(content: .scalar("", isQuoted: false), place: place)
    }

    private mutating func blockSequence(depth: Int) throws(Failure) -> YAMLNode {
        try checkDepth(depth)
        let place = text.here(), column = text.indentation
        var nodes: [YAMLNode] = []
        while true {
            text.position += 1
            text.skipBlanks()
            if text.isLineEnd(text.byte()) || text.byte() == UInt8(ascii: "#") {
                let place = text.here()
                try text.finishLine()
                let isNested = try text.nextContent() && text.indentation > column
                nodes.append(
                    isNested
                        ? try block(depth: depth + 1)
                        : YAMLNode(content: .scalar("", isQuoted: false), place: place))
            } else {
                nodes.append(try block(depth: depth + 1))
            }
            guard try text.nextContent(), text.indentation >= column else { break }
            guard text.indentation == column else {
                throw text.failure(
                    "the line is indented further than the list entry above it",
                    remedy: "Write an entry in one line, and long text in quotation marks")
            }
            guard text.isSequenceEntry else { break }
        }
        return YAMLNode(content: .sequence(nodes), place: place)
    }

    /// A scalar or a flow collection that ends its line.
    private mutating func inlineValue(depth: Int) throws(Failure) -> YAMLNode {
        if text.isSequenceEntry {
            throw text.failure("a list begins in the line of its key", remedy: "Put each entry into a line of its own")
        }
        let node = try flowValue(depth: depth, inFlow: false)
        let end = text.position
        text.skipBlanks()
        if text.byte() == UInt8(ascii: ":"), text.isBlankOrEnd(text.byte(1)) {
            throw text.failure(
                "a second colon stands in the line", remedy: "Put text that holds a colon in quotation marks")
        }
        text.position = end
        try text.finishLine()
        return node
    }

    // MARK: - Flow

    /// A scalar, or a collection in brackets.
    private mutating func flowValue(depth: Int, inFlow: Bool) throws(Failure) -> YAMLNode {
        let place = text.here()
        switch text.byte() {
        case UInt8(ascii: "["): return try flowSequence(depth: depth, place)
        case UInt8(ascii: "{"): return try flowMapping(depth: depth, place)
        default:
            let scalar = try text.scalar(inFlow: inFlow)
            return YAMLNode(content: .scalar(scalar.text, isQuoted: scalar.isQuoted), place: place)
        }
    }

    /// Passes the comma behind an element.
    ///
    /// - Returns: whether the collection ended instead.
    private mutating func passComma(_ close: Character) throws(Failure) -> Bool {
        try text.skipFlowSpace()
        if text.byte() == close.asciiValue {
            text.position += 1
            return true
        }
        guard text.byte() == UInt8(ascii: ",") else {
            throw text.failure("',' or '\(close)' is expected, not \(text.found)")
        }
        text.position += 1
        try text.skipFlowSpace()
        guard text.byte() == close.asciiValue else { return false }
        text.position += 1
        return true
    }

    private mutating func flowSequence(depth: Int, _ place: Failure.Place) throws(Failure) -> YAMLNode {
        try checkDepth(depth)
        text.position += 1
        try text.skipFlowSpace()
        var nodes: [YAMLNode] = []
        var isClosed = text.byte() == UInt8(ascii: "]")
        if isClosed { text.position += 1 }
        while !isClosed {
            nodes.append(try flowValue(depth: depth + 1, inFlow: true))
            isClosed = try passComma("]")
        }
        return YAMLNode(content: .sequence(nodes), place: place)
    }

    private mutating func flowMapping(depth: Int, _ place: Failure.Place) throws(Failure) -> YAMLNode {
        try checkDepth(depth)
        text.position += 1
        try text.skipFlowSpace()
        var entries = EntryList()
        var isClosed = text.byte() == UInt8(ascii: "}")
        if isClosed { text.position += 1 }
        while !isClosed {
            let keyPlace = text.here(), key = try text.scalar(inFlow: true).text
            try entries.check(key, keyPlace)
            try text.skipFlowSpace()
            guard text.byte() == UInt8(ascii: ":") else {
                throw text.failure("a colon is expected behind the key \"\(key)\", not \(text.found)")
            }
            text.position += 1
            try text.skipFlowSpace()
            let isEmpty = text.byte() == UInt8(ascii: ",") || text.byte() == UInt8(ascii: "}")
            entries.append(
                key, keyPlace,
                isEmpty
                    ? YAMLNode(content: .scalar("", isQuoted: false), place: text.here())
                    : try flowValue(depth: depth + 1, inFlow: true))
            isClosed = try passComma("}")
        }
        return YAMLNode(content: .mapping(entries.entries), place: place)
    }
}

/// The entries of a mapping that is being read, and a refusal of a key that comes twice.
private struct EntryList {
    private(set) var entries: [YAMLEntry] = []
    private var lines: [[UInt8]: Int] = [:]

    func check(_ key: String, _ place: Failure.Place) throws(Failure) {
        guard let first = lines[Array(key.utf8)] else { return }
        throw Failure(
            .badData, "the key \"\(key)\" is in line \(first) already", at: place, remedy: "Leave one of them out")
    }

    mutating func append(_ key: String, _ place: Failure.Place, _ value: YAMLNode) {
        lines[Array(key.utf8)] = place.line
        entries.append(YAMLEntry(key: key, place: place, value: value))
    }
}
