/// A value of a YAML document, with where it stands.
package struct YAMLNode: Sendable {
    package enum Content: Sendable {
        /// Text as it was written, escapes resolved; plain text is null, a truth value or a number by its looks.
        case scalar(String, isQuoted: Bool)
        case sequence([YAMLNode])
        /// In the order of the file, every key once.
        case mapping([YAMLEntry])
    }

    package let content: Content
    /// Line and column.
    package let place: Failure.Place

    package var sequence: [YAMLNode]? { if case .sequence(let nodes) = content { nodes } else { nil } }
    package var mapping: [YAMLEntry]? { if case .mapping(let entries) = content { entries } else { nil } }

    /// The text of a scalar, quoted or not, null included.
    package var text: String? { if case .scalar(let text, _) = content { text } else { nil } }

    /// The text of a scalar without quotation marks.
    private var plain: String? {
        if case .scalar(let text, isQuoted: false) = content { text } else { nil }
    }

    package var isQuoted: Bool { text != nil && plain == nil }

    /// Whether nothing is written, or null.
    package var isNull: Bool { plain.map { ["", "~", "null", "Null", "NULL"].contains($0) } ?? false }

    /// A truth value of YAML 1.2.
    package var bool: Bool? {
        switch plain {
        case "true", "True", "TRUE": true
        case "false", "False", "FALSE": false
        default: nil
        }
    }

    /// What kind of value this is, for messages.
    package var kindName: String {
        switch content {
        case .scalar(_, isQuoted: true): "a text"
        case .scalar(let text, _): isNull ? "nothing" : bool == nil ? "\"\(text)\"" : text
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// The value as JSON. Numbers are those that JSON writes as numbers; every other plain text is a string.
    package var json: JSONValue {
        switch content {
        case .sequence(let nodes): return .array(nodes.map(\.json))
        case .mapping(let entries): return .object(JSONObject(entries.map { ($0.key, $0.value.json) }))
        case .scalar(let text, let isQuoted):
            if isNull { return .null }
            if let bool { return .bool(bool) }
            if !isQuoted, case .number(let number)? = try? JSONParser.parse(text) { return .number(number) }
            return .string(text)
        }
    }
}

/// A key of a mapping and its value.
package struct YAMLEntry: Sendable {
    package let key: String
    /// Of the key.
    package let place: Failure.Place
    package let value: YAMLNode
}
