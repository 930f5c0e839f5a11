/// A parsed JSON document. Objects keep the order of the file; numbers keep their text, so that an integer stays one.
public enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// An integer literal as a value.
    public static func integer(_ value: Int) -> JSONValue { .number(JSONNumber(text: String(value))) }

    /// A floating-point value, written in shortest round-trip form. NaN and infinities have no JSON: they become null.
    public static func double(_ value: Double) -> JSONValue {
        value.isFinite ? .number(JSONNumber(text: JSONNumber.shortest(value))) : .null
    }

    /// The value of a key of an object, nil for another kind of value or an absent key.
    public subscript(key: String) -> JSONValue? { object?[key] }

    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The number as an integer: only where it was written as one (no fraction, no exponent) and fits.
    public var integer: Int? { if case .number(let value) = self { value.integer } else { nil } }
    public var double: Double? { if case .number(let value) = self { value.double } else { nil } }
    public var isNull: Bool { if case .null = self { true } else { false } }

    /// What kind of value this is, for messages: `a string`, `an object`, ….
    public var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// A JSON number, kept as it was written.
public struct JSONNumber: Sendable {
    /// The literal: matches the grammar of RFC 8259.
    public let text: String

    public init(text: String) { self.text = text }

    /// The value if it was written as an integer that fits 64 bits.
    public var integer: Int? { Int(text) }

    public var double: Double { Double(text) ?? .nan }

    /// Shortest text that reads back as the same Double, as Python's `repr` writes it (`1.0`, `1e-05`, `0.1`).
    public static func shortest(_ value: Double) -> String {
        let text = "\(value)"
        guard let exponentIndex = text.firstIndex(where: { $0 == "e" || $0 == "E" }) else {
            return pythonExponent(fixed: text, value: value)
        }
        var mantissa = String(text[..<exponentIndex])
        if mantissa.hasSuffix(".0") { mantissa.removeLast(2) }
        let exponent = Int(text[text.index(after: exponentIndex)...]) ?? 0
        return pythonForm(mantissa: mantissa, exponent: exponent)
    }

    /// Python switches to exponents below 1e-4 and from 1e16 on; Swift's description switches elsewhere.
    private static func pythonExponent(fixed: String, value: Double) -> String {
        let magnitude = value.magnitude
        guard magnitude != 0, magnitude < 1e-4 || magnitude >= 1e16 else { return fixed }
        let negative = fixed.hasPrefix("-")
        let parts = (negative ? fixed.dropFirst() : fixed[...]).split(separator: ".", omittingEmptySubsequences: false)
        let whole = String(parts[0]), fraction = parts.count > 1 ? String(parts[1]) : ""
        let digits = Array(whole + fraction)
        guard let first = digits.firstIndex(where: { $0 != "0" }), let last = digits.lastIndex(where: { $0 != "0" })
        else { return fixed }
        let exponent = whole.count - 1 - first
        let significant = String(digits[first...last])
        var mantissa = String(significant.first ?? "0")
        if significant.count > 1 { mantissa += "." + significant.dropFirst() }
        return pythonForm(mantissa: (negative ? "-" : "") + mantissa, exponent: exponent)
    }

    private static func pythonForm(mantissa: String, exponent: Int) -> String {
        guard exponent < -4 || exponent >= 16 else {
            let negative = mantissa.hasPrefix("-")
            let digits = mantissa.filter { $0 != "." && $0 != "-" }
            var body: String
            if exponent < 0 {
                body = "0." + String(repeating: "0", count: -exponent - 1) + digits
            } else if digits.count <= exponent + 1 {
                body = digits + String(repeating: "0", count: exponent + 1 - digits.count) + ".0"
            } else {
                body = String(digits.prefix(exponent + 1)) + "." + String(digits.dropFirst(exponent + 1))
            }
            return (negative ? "-" : "") + body
        }
        let sign = exponent < 0 ? "-" : "+"
        let digits = String(exponent.magnitude)
        return mantissa + "e" + sign + (digits.count < 2 ? "0" + digits : digits)
    }
}

/// A JSON object in the order of its file. Keys are compared by their UTF-8 bytes, never by canonical equivalence.
public struct JSONObject: Sendable {
    public struct Member: Sendable {
        public let key: String
        public let value: JSONValue

        public init(key: String, value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    public private(set) var members: [Member]

    public init(_ members: [(String, JSONValue)] = []) {
        self.members = members.map { Member(key: $0.0, value: $0.1) }
    }

    /// The value of a key; O(n), for objects of configuration size. Iterate `members` of large ones.
    public subscript(key: String) -> JSONValue? {
        for member in members where member.key.utf8.elementsEqual(key.utf8) { return member.value }
        return nil
    }

    public var keys: [String] { members.map(\.key) }
    public var count: Int { members.count }

    /// Sets a key in place, or appends it.
    public mutating func set(_ key: String, _ value: JSONValue) {
        let member = Member(key: key, value: value)
        if let index = members.firstIndex(where: { $0.key.utf8.elementsEqual(key.utf8) }) {
            members[index] = member
        } else {
            members.append(member)
        }
    }

    /// Appends without looking for the key: for the parser, which has already refused duplicates.
    mutating func append(_ member: Member) { members.append(member) }

    public mutating func remove(_ key: String) {
        members.removeAll { $0.key.utf8.elementsEqual(key.utf8) }
    }
}
