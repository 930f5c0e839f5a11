/// The variables of a part of a template. Reading looks outwards; setting stays here.
final class Scope {
    private var values: [String: Value]
    private let parent: Scope?

    init(parent: Scope?, _ values: [String: Value] = [:]) {
        self.parent = parent
        self.values = values
    }

    func value(_ name: String) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.values[name] { return value }
            scope = current.parent
        }
        return nil
    }

    func set(_ name: String, _ value: Value) { values[name] = value }

    /// Lets go of everything: a macro refers to the scope that holds it.
    func clear() { values = [:] }
}

/// The variable `loop` of a loop that runs.
final class LoopState {
    let definition: ForLoop
    /// The variables around the loop.
    let scope: Scope
    let items: [Value]
    /// 0 for a loop that no recursive loop runs in.
    let depth: Int
    var index = 0
    var lastChange: [Value]?

    init(_ definition: ForLoop, scope: Scope, items: [Value], depth: Int) {
        self.definition = definition
        self.scope = scope
        self.items = items
        self.depth = depth
    }

    /// A member of `loop`; nil where there is none.
    func member(_ name: String) -> Value? {
        switch name {
        case "index": .integer(index + 1)
        case "index0": .integer(index)
        case "revindex": .integer(items.count - index)
        case "revindex0": .integer(items.count - index - 1)
        case "first": .bool(index == 0)
        case "last": .bool(index == items.count - 1)
        case "length": .integer(items.count)
        case "depth": .integer(depth + 1)
        case "depth0": .integer(depth)
        case "previtem": index > 0 ? items[index - 1] : .undefined(.other("there is no previous item"))
        case "nextitem": index + 1 < items.count ? items[index + 1] : .undefined(.other("there is no next item"))
        case "cycle", "changed": .callable(.loopMethod(self, name: name))
        default: nil
        }
    }
}
