internal import System

/// Turns JSON into values whose texts know where they came from.
enum DataValues {
    /// - Throws: where lists and objects are nested too deeply.
    static func value(_ json: JSONValue, _ origin: Origin) throws(TemplateError) -> Value {
        switch json {
        case .null: return .none
        case .bool(let value): return .bool(value)
        case .number(let number):
            if let integer = number.integer { return .integer(integer) }
            let isWhole = number.text.utf8.allSatisfy { $0 == 0x2D || ($0 >= 0x30 && $0 <= 0x39) }
            return isWhole ? .digits(number.text) : .float(number.double)
        case .string(let text): return .string(TaggedText(text, origin))
        case .array(let elements):
            var values: [Value] = []
            values.reserveCapacity(elements.count)
            for element in elements { values.append(try value(element, origin)) }
            return .sequence(try ValueSequence(values))
        case .object(let object): return .dictionary(try dictionary(object.members.map { ($0.key, $0.value) }, origin))
        }
    }

    static func dictionary(_ members: [(String, JSONValue)], _ origin: Origin) throws(TemplateError) -> ValueDictionary
    {
        let dictionary = ValueDictionary()
        for (key, member) in members {
            try dictionary.add(.string(TaggedText(key, origin)), try value(member, origin))
        }
        return dictionary
    }

    /// A message as a template sees it: without members that are null, its reasoning under both names that templates
    /// read, and its role as text of the template's own, which headers are put together from.
    static func message(_ json: JSONValue, index: Int) throws(TemplateError) -> Value {
        guard let object = json.object else {
            throw TemplateError("message \(index) is \(json.kindName) where an object is expected")
        }
        var members = object.members.filter { !$0.value.isNull }.map { ($0.key, $0.value) }
        func value(_ key: String) -> JSONValue? { members.first { $0.0 == key }?.1 }
        if let reasoning = ["reasoning_content", "thinking", "reasoning"].lazy.compactMap({ value($0) }).first {
            if let position = members.firstIndex(where: { $0.0 == "reasoning_content" }) {
                members[position].1 = reasoning
            } else {
                members.append(("reasoning_content", reasoning))
            }
            if value("thinking") == nil { members.insert(("thinking", reasoning), at: 0) }
        }
        let origin = Origin.message(index)
        let dictionary = ValueDictionary()
        for (key, member) in members {
            let isRole = key == "role" && member.string.map(isPlainRole) == true
            try dictionary.add(
                .string(TaggedText(key, origin)), try DataValues.value(member, isRole ? .template : origin))
        }
        return .dictionary(dictionary)
    }

    /// Whether a role is a word: anything else might spell a control token.
    private static func isPlainRole(_ role: String) -> Bool {
        role.unicodeScalars.allSatisfy {
            $0.isLetter || $0.properties.numericType != nil || "_- ".unicodeScalars.contains($0)
        }
    }
}
