extension JSONObject {
    /// What is otherwise than in a former object of the same kind, each as `name was X and is Y`: members of the former
    /// one first, in their order.
    ///
    /// - Parameters:
    ///   - ignored: keys that may differ.
    ///   - name: how a key is said.
    package func changes(since old: JSONObject, ignored: Set<String> = [], name: (String) -> String) -> [String] {
        let added = keys.filter { old[$0] == nil }
        return (old.keys + added).filter { !ignored.contains($0) }.compactMap { key in
            let before = Self.text(old[key]), after = Self.text(self[key])
            return before == after ? nil : "\(name(key)) was \(before) and is \(after)"
        }
    }

    private static func text(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null: "not given"
        case .string(let text): text
        case .some(let value): JSONWriter.compact.string(value)
        }
    }
}
