/// Finds where a value of a row stands in the row's text, for messages about rows that have been parsed.
enum JSONLocator {
    /// The offset of the value of a key of the outermost object, or of an element of that value if it is an array.
    ///
    /// - Parameters:
    ///   - text: a valid JSON object. Something else gives nil or an offset of no meaning.
    ///   - key: the key, unescaped. One that is written with escapes is not found.
    ///   - element: index of the element, nil for the value itself.
    /// - Returns: offset in bytes, nil where it is not found. Linear in the length of the text.
    static func offset(in text: [UInt8], key: String, element: Int? = nil) -> Int? {
        let scanner = Scanner(text: text)
        guard let start = scanner.find(key: Array(key.utf8)) else { return nil }
        guard let element else { return start }
        return scanner.element(element, from: start)
    }

    private struct Scanner {
        let text: [UInt8]

        /// The index after a string that begins at `index`.
        func endOfString(_ index: Int) -> Int {
            var index = index + 1
            while index < text.count, text[index] != UInt8(ascii: "\"") {
                index += text[index] == UInt8(ascii: "\\") ? 2 : 1
            }
            return index + 1
        }

        func skipSpace(_ index: Int) -> Int {
            var index = index
            while index < text.count, text[index] <= 0x20 { index += 1 }
            return index
        }

        func find(key: [UInt8]) -> Int? {
            var index = 0, depth = 0
            while index < text.count {
                switch text[index] {
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    depth += 1
                    index += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    depth -= 1
                    index += 1
                case UInt8(ascii: "\""):
                    let end = endOfString(index)
                    let colon = skipSpace(end)
                    if depth == 1, colon < text.count, text[colon] == UInt8(ascii: ":"), end - 1 > index,
                        text[(index + 1)..<(end - 1)].elementsEqual(key)
                    {
                        return skipSpace(colon + 1)
                    }
                    index = end
                default: index += 1
                }
            }
            return nil
        }

        func element(_ wanted: Int, from start: Int) -> Int? {
            guard start < text.count, text[start] == UInt8(ascii: "[") else { return start }
            var index = start + 1, depth = 0, count = 0
            while index < text.count {
                if count == wanted { return skipSpace(index) }
                switch text[index] {
                case UInt8(ascii: "\""):
                    index = endOfString(index)
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return nil }
                    depth -= 1
                case UInt8(ascii: ",") where depth == 0: count += 1
                default: break
                }
                index += 1
            }
            return nil
        }
    }
}
