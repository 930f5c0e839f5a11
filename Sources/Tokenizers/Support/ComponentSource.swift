internal import System

/// An object of tokenizer.json that describes a component, with the path it stands at, for messages.
struct ComponentSource {
    let object: JSONObject
    /// The place in the document: `pre_tokenizer.pretokenizers[1]`.
    let path: String
    let file: String

    init(object: JSONObject, path: String, file: String) {
        self.object = object
        self.path = path
        self.file = file
    }

    /// The object under a value, refused if it is something else.
    init(_ value: JSONValue, path: String, file: String) throws(Failure) {
        guard let object = value.object else {
            throw Failure(
                .badData, "an object is expected, not \(value.kindName)", at: .init(file: file, field: path))
        }
        self.init(object: object, path: path, file: file)
    }

    func failure(_ kind: Failure.Kind, _ what: String, key: String? = nil, remedy: String? = nil) -> Failure {
        let field = key.map { path.isEmpty ? $0 : "\(path).\($0)" } ?? path
        return Failure(kind, what, at: .init(file: file, field: field), remedy: remedy)
    }

    private func present(_ key: String) -> JSONValue? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    private func wrongKind(_ expected: String, _ value: JSONValue, _ key: String) -> Failure {
        failure(.badData, "\(expected) is expected, not \(value.kindName)", key: key)
    }

    private func missing(_ key: String) -> Failure { failure(.badData, "is missing", key: key) }

    /// A string; null and absent are the same.
    func string(_ key: String) throws(Failure) -> String? {
        guard let value = present(key) else { return nil }
        guard let string = value.string else { throw wrongKind("a string", value, key) }
        return string
    }

    func requiredString(_ key: String) throws(Failure) -> String {
        guard let string = try string(key) else { throw missing(key) }
        return string
    }

    func bool(_ key: String, default absent: Bool) throws(Failure) -> Bool {
        guard let value = present(key) else { return absent }
        guard let bool = value.bool else { throw wrongKind("true or false", value, key) }
        return bool
    }

    /// An integer of at least 0.
    func count(_ key: String, default absent: Int) throws(Failure) -> Int {
        guard let value = present(key) else { return absent }
        guard let integer = value.integer, integer >= 0 else { throw wrongKind("a count", value, key) }
        return integer
    }

    /// A string of one character, as UTF-8.
    func character(_ key: String) throws(Failure) -> [UInt8] {
        let text = try requiredString(key)
        guard text.unicodeScalars.count == 1 else {
            throw failure(.badData, "\"\(text)\" is not one character", key: key)
        }
        return Array(text.utf8)
    }

    func array(_ key: String) throws(Failure) -> [JSONValue] {
        guard let value = object[key] else { throw missing(key) }
        guard let array = value.array else { throw wrongKind("an array", value, key) }
        return array
    }

    /// The members of an object.
    func requiredObject(_ key: String) throws(Failure) -> JSONObject {
        guard let value = object[key] else { throw missing(key) }
        guard let object = value.object else { throw wrongKind("an object", value, key) }
        return object
    }

    /// An array of component objects, at most 64.
    func components(_ key: String) throws(Failure) -> [ComponentSource] {
        let values = try array(key)
        guard values.count <= 64 else {
            throw failure(.badData, "has \(values.count) components; at most 64 are expected", key: key)
        }
        var components: [ComponentSource] = []
        for (index, value) in values.enumerated() {
            components.append(try ComponentSource(value, path: "\(path).\(key)[\(index)]", file: file))
        }
        return components
    }

    /// A component under a key, nil for null or absent.
    func component(_ key: String) throws(Failure) -> ComponentSource? {
        guard let value = present(key) else { return nil }
        return try ComponentSource(value, path: path.isEmpty ? key : "\(path).\(key)", file: file)
    }

    /// The `type` of the component.
    var type: String { get throws(Failure) { try requiredString("type") } }

    /// The refusal of a type that no registry entry has.
    func unknownType(_ type: String, known: [String]) -> Failure {
        failure(
            .unsupported, "the component type \"\(type)\" is not supported",
            remedy: "Supported here are: \(known.joined(separator: ", "))")
    }

    /// The pattern of a Replace or Split: `{"String": s}` or `{"Regex": r}`.
    func pattern() throws(Failure) -> Pattern {
        let object = try requiredObject("pattern")
        guard object.count == 1, let member = object.members.first, let text = member.value.string else {
            throw failure(.badData, "{\"String\": …} or {\"Regex\": …} is expected", key: "pattern")
        }
        switch member.key {
        case "String":
            guard !text.isEmpty else { throw failure(.badData, "the pattern is empty", key: "pattern.String") }
            return .string(Array(text.utf8))
        case "Regex": return .regex(text)
        default: throw failure(.badData, "{\"String\": …} or {\"Regex\": …} is expected", key: "pattern")
        }
    }
}

/// What a Replace or Split looks for.
enum Pattern: Sendable {
    /// Exactly these bytes, never empty.
    case string([UInt8])
    /// A regular expression, by its text; see `ScanRules`.
    case regex(String)
}
