/// Writes JSON text the way Python's `json.dumps` does, so that files equal those of the ecosystem byte for byte.
public struct JSONWriter: Sendable {
    /// Spaces an inner level is indented by; nil writes one line.
    public var indent: Int?
    public var itemSeparator: String
    public var keySeparator: String
    public var sortsKeys: Bool
    /// Escape everything outside ASCII, Python's default.
    public var escapesNonASCII: Bool

    public init(
        indent: Int? = nil, itemSeparator: String = ", ", keySeparator: String = ": ", sortsKeys: Bool = false,
        escapesNonASCII: Bool = true
    ) {
        self.indent = indent
        self.itemSeparator = itemSeparator
        self.keySeparator = keySeparator
        self.sortsKeys = sortsKeys
        self.escapesNonASCII = escapesNonASCII
    }

    /// `json.dumps(value)`.
    public static let python = JSONWriter()
    /// `json.dumps(value, separators=(",", ":"), ensure_ascii=False)`: one line, no spaces, as serde_json writes.
    public static let compact = JSONWriter(itemSeparator: ",", keySeparator: ":", escapesNonASCII: false)
    /// `json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)`.
    public static let prettySorted = JSONWriter(indent: 2, itemSeparator: ",", sortsKeys: true, escapesNonASCII: false)
    /// `json.dumps(value, indent=2, ensure_ascii=False)`, keys in the order given.
    public static let pretty = JSONWriter(indent: 2, itemSeparator: ",", escapesNonASCII: false)

    public func string(_ value: JSONValue) -> String { String(decoding: bytes(value), as: UTF8.self) }

    public func bytes(_ value: JSONValue) -> [UInt8] {
        var output: [UInt8] = []
        write(value, level: 0, into: &output)
        return output
    }

    private func write(_ value: JSONValue, level: Int, into output: inout [UInt8]) {
        switch value {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .number(let number): output.append(contentsOf: number.text.utf8)
        case .string(let text): write(text, into: &output)
        case .array(let elements):
            guard !elements.isEmpty else { return output.append(contentsOf: "[]".utf8) }
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                separate(index, level: level + 1, into: &output)
                write(element, level: level + 1, into: &output)
            }
            newLine(level: level, into: &output)
            output.append(UInt8(ascii: "]"))
        case .object(let object):
            guard object.count > 0 else { return output.append(contentsOf: "{}".utf8) }
            let members =
                sortsKeys
                ? object.members.sorted { $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars) }
                : object.members
            output.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                separate(index, level: level + 1, into: &output)
                write(member.key, into: &output)
                output.append(contentsOf: keySeparator.utf8)
                write(member.value, level: level + 1, into: &output)
            }
            newLine(level: level, into: &output)
            output.append(UInt8(ascii: "}"))
        }
    }

    private func separate(_ index: Int, level: Int, into output: inout [UInt8]) {
        if index > 0 { output.append(contentsOf: itemSeparator.utf8) }
        newLine(level: level, into: &output)
    }

    private func newLine(level: Int, into output: inout [UInt8]) {
        guard let indent else { return }
        output.append(0x0A)
        output.append(contentsOf: repeatElement(0x20, count: indent * level))
    }

    private func write(_ text: String, into output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22: output.append(contentsOf: "\\\"".utf8)
            case 0x5C: output.append(contentsOf: "\\\\".utf8)
            case 0x0A: output.append(contentsOf: "\\n".utf8)
            case 0x0D: output.append(contentsOf: "\\r".utf8)
            case 0x09: output.append(contentsOf: "\\t".utf8)
            case 0x08: output.append(contentsOf: "\\b".utf8)
            case 0x0C: output.append(contentsOf: "\\f".utf8)
            case 0x00..<0x20: escape(UInt16(scalar.value), into: &output)
            case 0x20..<0x7F: output.append(UInt8(scalar.value))
            default:
                if escapesNonASCII {
                    for unit in UTF16.encode(scalar)! { escape(unit, into: &output) }
                } else {
                    output.append(contentsOf: UTF8.encode(scalar)!)
                }
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private func escape(_ unit: UInt16, into output: inout [UInt8]) {
        let hex = String(unit, radix: 16)
        output.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - hex.count) + hex).utf8)
    }
}
