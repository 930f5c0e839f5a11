/// What stands behind a dot or in brackets: members of data, and methods by name. Nothing of the program itself can be
/// reached: a name that begins with two underscores is an error at once, a method that changes a value once it is used.
enum Attributes {
    /// Methods of lists and objects that would change them.
    private static let changing: [String: Set<String>] = [
        "list": ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"],
        "dict": ["clear", "pop", "popitem", "setdefault", "update"],
    ]

    /// `value.name`: a method first, then a member of an object, else undefined.
    static func attribute(_ name: String, of value: Value, _ budget: Budget) throws(TemplateError) -> Value {
        if case .undefined(let undefined) = value { throw undefined.error }
        if let found = try own(name, of: value) { return found }
        if case .dictionary(let dictionary) = value, let member = dictionary.value(name) { return member }
        return .undefined(.attribute(object: value.objectName, name: name))
    }

    /// What a value has under a name besides its elements.
    private static func own(_ name: String, of value: Value) throws(TemplateError) -> Value? {
        if name.hasPrefix("__") {
            if case .dictionary(let dictionary) = value, dictionary.value(name) != nil { return nil }
            throw TemplateError(
                "access to attribute '\(name)' of '\(value.typeName)' object is unsafe",
                remedy: "A chat template may use the conversation only; use another one")
        }
        if changing[value.typeName]?.contains(name) == true {
            return .undefined(.unsafe(object: value.typeName, name: name))
        }
        switch value {
        case .namespace(let namespace): return namespace.members[name]
        case .loop(let loop): return loop.member(name)
        case .callable(.cycler(let cycler)):
            switch name {
            case "current": return cycler.current
            case "next", "reset": return .callable(.cyclerMethod(cycler, name: name))
            default: return nil
            }
        case .callable(.macro(let macro)): return name == "name" ? .text(macro.definition.name) : nil
        default: return Methods.exists(name, of: value) ? .callable(.method(of: value, name: name)) : nil
        }
    }

    /// `value[key]`: an element first, then what the value has under that name, else undefined.
    static func item(_ key: Value, of value: Value, _ budget: Budget) throws(TemplateError) -> Value {
        if case .undefined(let undefined) = value { throw undefined.error }
        if let element = try element(key, of: value) { return element }
        if let name = key.string?.string {
            return try own(name, of: value) ?? .undefined(.attribute(object: value.objectName, name: name))
        }
        return .undefined(
            .element(object: value.objectName, index: try PythonText.representation(key, budget).string))
    }

    private static func element(_ key: Value, of value: Value) throws(TemplateError) -> Value? {
        switch value {
        case .dictionary(let dictionary):
            // What cannot be a key is none.
            return try? dictionary.value(key)
        case .string(let text):
            return position(key, count: text.count).map { .string(TaggedText(units: [text.units[$0]])) }
        case .sequence(let sequence) where sequence.kind.isIndexed:
            return position(key, count: sequence.elements.count).map { sequence.elements[$0] }
        default: return nil
        }
    }

    private static func position(_ key: Value, count: Int) -> Int? {
        guard let index = key.integer else { return nil }
        let position = index < 0 ? index &+ count : index
        return position >= 0 && position < count ? position : nil
    }

    /// A member by a path such as `function.name` or `0`, as filters take it.
    static func path(_ path: Value, of value: Value, _ budget: Budget) throws(TemplateError) -> Value {
        guard let text = path.string else { return try item(path, of: value, budget) }
        var result = value
        for part in text.split(at: TaggedText(".")) {
            let name = part.string
            result = try item(Int(name).map { .integer($0) } ?? .string(part), of: result, budget)
        }
        return result
    }

    /// `value[start:end:step]`.
    static func slice(_ range: SliceRange, of value: Value, _ budget: Budget) throws(TemplateError) -> Value {
        switch value {
        case .string(let text):
            try budget.spend(scalars: text.count)
            return .string(TaggedText(units: range.indices(count: text.count).map { text.units[$0] }))
        case .sequence(let sequence) where sequence.kind.isIndexed:
            try budget.spend(elements: sequence.elements.count)
            let elements = range.indices(count: sequence.elements.count).map { sequence.elements[$0] }
            return .sequence(try ValueSequence(elements, kind: sequence.kind))
        case .undefined(let undefined): throw undefined.error
        default: return .undefined(.element(object: value.objectName, index: "slice"))
        }
    }
}

/// A slice as Python defines it.
struct SliceRange {
    private let start: Int?
    private let end: Int?
    private let step: Int

    init(start: Int?, end: Int?, step: Int?) throws(TemplateError) {
        guard step != 0 else { throw TemplateError("slice step cannot be zero") }
        self.start = start
        self.end = end
        self.step = step ?? 1
    }

    /// The indices that it takes of `count` elements.
    func indices(count: Int) -> [Int] {
        let lowest = step > 0 ? 0 : -1, highest = step > 0 ? count : count - 1
        func clamped(_ bound: Int) -> Int {
            max(lowest, min(highest, bound < 0 ? max(bound, -count) + count - (bound < -count ? 1 : 0) : bound))
        }
        let first = start.map(clamped) ?? (step > 0 ? 0 : count - 1)
        let last = end.map(clamped) ?? (step > 0 ? count : -1)
        // A step beyond the length takes one element at most.
        let stride = max(-count - 1, min(count + 1, step))
        return Array(Swift.stride(from: first, to: last, by: stride))
    }
}
