/// A value of the template language. Lists and objects never change once made; only namespaces do.
indirect enum Value {
    case undefined(Undefined)
    case none
    case bool(Bool)
    case integer(Int)
    /// An integer beyond 64 bits, as its digits: it can be printed and written as JSON, nothing else.
    case digits(String)
    case float(Double)
    case string(TaggedText)
    case sequence(ValueSequence)
    case dictionary(ValueDictionary)
    case namespace(Namespace)
    case callable(Callable)
    case loop(LoopState)

    static func text(_ text: String) -> Value { .string(TaggedText(text)) }

    /// What Python calls the type, for messages.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .integer, .digits: "int"
        case .float: "float"
        case .string: "str"
        case .sequence(let sequence): sequence.kind.typeName
        case .dictionary: "dict"
        case .namespace: "Namespace"
        case .callable: "function"
        case .loop: "LoopContext"
        }
    }

    /// What Jinja calls the object in messages about what it does not have.
    var objectName: String { if case .none = self { "None" } else { "\(typeName) object" } }

    /// How many lists and objects are inside each other.
    var depth: Int {
        switch self {
        case .sequence(let sequence): sequence.depth
        case .dictionary(let dictionary): dictionary.depth
        default: 0
        }
    }

    /// Whether the value may be an element of a list or object: everything but what refers to a running template,
    /// so that no value can contain itself.
    var isData: Bool {
        switch self {
        case .namespace, .loop, .callable: false
        default: true
        }
    }
}

/// Why a value is not there; told where it is used as if it were.
enum Undefined {
    case name(String)
    case attribute(object: String, name: String)
    case element(object: String, index: String)
    /// What the sandbox does not give out.
    case unsafe(object: String, name: String)
    case other(String)

    var message: String {
        switch self {
        case .name(let name): "'\(name)' is undefined"
        case .attribute(let object, let name): "'\(object)' has no attribute '\(name)'"
        case .element(let object, let index): "\(object) has no element \(index)"
        case .unsafe(let object, let name): "access to attribute '\(name)' of '\(object)' object is unsafe"
        case .other(let message): message
        }
    }

    var error: TemplateError { TemplateError(message) }
}

/// A list, or what behaves like one.
final class ValueSequence {
    enum Kind {
        case list, tuple, range
        /// What a filter such as `map` gives: it has no length and no elements by index.
        case generator
        case items, keys, values

        var typeName: String {
            switch self {
            case .list: "list"
            case .tuple: "tuple"
            case .range: "range"
            case .generator: "generator"
            case .items: "dict_items"
            case .keys: "dict_keys"
            case .values: "dict_values"
            }
        }

        /// Whether elements can be taken by index.
        var isIndexed: Bool { self == .list || self == .tuple || self == .range }
    }

    let kind: Kind
    let elements: [Value]
    let depth: Int

    /// - Throws: where an element is no data, or lists are nested too deeply.
    init(_ elements: [Value], kind: Kind = .list) throws(TemplateError) {
        var depth = 0
        for element in elements {
            depth = max(depth, element.depth)
            try ValueDepth.check(element, depth: depth + 1)
        }
        self.kind = kind
        self.elements = elements
        self.depth = depth + 1
    }
}

/// An object: keys in the order in which they came.
final class ValueDictionary {
    private(set) var keys: [Value] = []
    private(set) var values: [Value] = []
    private(set) var depth = 1
    private var positions: [HashableValue: Int] = [:]

    init() {}

    /// - Throws: where a key cannot be one, a value is no data, or objects are nested too deeply.
    init(_ members: [(Value, Value)]) throws(TemplateError) {
        for (key, value) in members { try add(key, value) }
    }

    var count: Int { keys.count }

    /// While the object is being made.
    func add(_ key: Value, _ value: Value) throws(TemplateError) {
        try ValueDepth.check(value, depth: value.depth + 1)
        let hashable = try HashableValue(key)
        depth = max(depth, value.depth + 1)
        if let position = positions[hashable] {
            values[position] = value
        } else {
            positions[hashable] = keys.count
            keys.append(key)
            values.append(value)
        }
    }

    /// - Throws: where the key cannot be one.
    func value(_ key: Value) throws(TemplateError) -> Value? {
        positions[try HashableValue(key)].map { values[$0] }
    }

    func value(_ key: String) -> Value? { positions[.string(TaggedText(key))].map { values[$0] } }
}

enum ValueDepth {
    static func check(_ value: Value, depth: Int) throws(TemplateError) {
        guard value.isData else {
            throw TemplateError(
                "a \(value.typeName) cannot be stored in a list or object",
                remedy: "Keep it in a variable")
        }
        guard depth <= TemplateLimits.valueDepth else {
            throw TemplateError("lists and objects are nested deeper than \(TemplateLimits.valueDepth)")
        }
    }
}

/// A value as a key: equal where Python's values are equal (1, 1.0 and True are one key).
enum HashableValue: Hashable {
    case undefined
    case none
    case number(Double)
    case integer(Int)
    case digits(String)
    case string(TaggedText)
    case tuple([HashableValue])

    /// Parts of a tuple that is a key, all inner ones included.
    private static let largestKey = 1_000

    init(_ value: Value) throws(TemplateError) {
        var partCount = 0
        try self.init(value, &partCount)
    }

    private init(_ value: Value, _ partCount: inout Int) throws(TemplateError) {
        partCount += 1
        guard partCount <= Self.largestKey else {
            throw TemplateError("a key has more than \(Self.largestKey) parts")
        }
        switch value {
        case .none: self = .none
        case .bool(let value): self = .integer(value ? 1 : 0)
        case .integer(let value): self = .integer(value)
        case .digits(let value): self = .digits(value)
        case .float(let value): self = Int(exactly: value).map { .integer($0) } ?? .number(value)
        case .string(let text): self = .string(text)
        case .sequence(let sequence) where sequence.kind == .tuple:
            var parts: [HashableValue] = []
            for element in sequence.elements { parts.append(try HashableValue(element, &partCount)) }
            self = .tuple(parts)
        case .undefined: self = .undefined
        default: throw TemplateError("unhashable type: '\(value.typeName)'")
        }
    }
}

/// What `namespace()` makes: the only value that a template can change.
final class Namespace {
    var members: [String: Value] = [:]
    /// Names in the order in which they came.
    var names: [String] = []

    /// - Throws: where the value is no data or the name begins with an underscore, as transformers refuses it.
    func set(_ name: String, _ value: Value) throws(TemplateError) {
        guard !name.hasPrefix("_") else {
            throw TemplateError("a namespace cannot hold a name that begins with an underscore, such as '\(name)'")
        }
        try ValueDepth.check(value, depth: value.depth)
        if members.updateValue(value, forKey: name) == nil { names.append(name) }
    }
}

/// What can be called.
indirect enum Callable {
    case macro(MacroValue)
    case method(of: Value, name: String)
    case global(String)
    case cycler(Cycler)
    case cyclerMethod(Cycler, name: String)
    case joiner(Joiner)
    case loopMethod(LoopState, name: String)
}

/// What `cycler()` makes.
final class Cycler {
    let items: [Value]
    var position = 0

    init(_ items: [Value]) { self.items = items }

    var current: Value { items[position] }
}

/// What `joiner()` makes.
final class Joiner {
    let separator: Value
    var isUsed = false

    init(_ separator: Value) { self.separator = separator }
}

/// A macro with the variables it was defined among.
final class MacroValue {
    let definition: MacroDefinition
    let scope: Scope

    init(_ definition: MacroDefinition, scope: Scope) {
        self.definition = definition
        self.scope = scope
    }
}
