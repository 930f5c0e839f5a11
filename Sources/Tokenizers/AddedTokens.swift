internal import System

/// A token that is cut out of text before the model sees it.
struct AddedToken: Sendable {
    let content: [UInt8]
    let id: Int32
    /// Only between characters that are no part of words.
    let isSingleWord: Bool
    /// Takes along white space before it.
    let stripsLeft: Bool
    /// Takes along white space after it.
    let stripsRight: Bool
    /// Looked for in normalized text, by its own normalized form.
    let isNormalized: Bool
    /// A control token: left out by decoding without special tokens, never made of plain text.
    let isSpecial: Bool
}

/// The added tokens of a tokenizer and the two searches for them.
struct AddedTokens: Sendable {
    /// Longer contents are refused: every position of a text may be compared with as much.
    private static let longestContent = 1024

    private(set) var tokens: [AddedToken] = []
    /// What a person should know: ids that differ from those in the file.
    private(set) var warnings: [String] = []
    /// Normalized forms, by id, where they differ: what such tokens decode to.
    private(set) var normalizedTexts: [Int32: [UInt8]] = [:]
    /// Matched in the text as it is.
    private var literal = TokenTrie()
    /// Matched in normalized text.
    private var normalized = TokenTrie()

    /// Reads the array `added_tokens` and adds its tokens to the vocabulary.
    ///
    /// The id of a token that the vocabulary has is the vocabulary's; any other gets the next free id, as in the
    /// `tokenizers` library, whatever the file says.
    init(
        _ values: [JSONValue], vocabulary: inout Vocabulary, normalizer: (any Normalizer)?, file: String
    ) throws(Failure) {
        guard values.count <= Vocabulary.largestCount else {
            throw Failure(
                .badData, "has \(values.count) tokens; at most \(Vocabulary.largestCount) are expected",
                at: .init(file: file, field: "added_tokens"))
        }
        var nextID = Int32(vocabulary.count)
        var contents = ByteTable()
        for (index, value) in values.enumerated() {
            let source = try ComponentSource(value, path: "added_tokens[\(index)]", file: file)
            let text = try source.requiredString("content")
            let content = Array(text.utf8)
            guard !content.isEmpty, content.count <= Self.longestContent else {
                throw source.failure(
                    .badData, "has \(content.count) bytes; 1 to \(Self.longestContent) are expected", key: "content")
            }
            guard contents.insert(content, value: 0) == nil else {
                throw source.failure(.badData, "\"\(text)\" is listed twice", key: "content")
            }
            guard let fileID = source.object["id"]?.integer, fileID >= 0 else {
                throw source.failure(.badData, "an integer of at least 0 is expected", key: "id")
            }
            let id: Int32
            if let known = vocabulary.id(content) {
                id = known
            } else {
                // A vocabulary with gaps may already have a token under the next id.
                while vocabulary.bytes(nextID) != nil { nextID += 1 }
                id = nextID
                vocabulary.insert(content, id: id)
            }
            if Int(id) != fileID, warnings.count < 3 {
                warnings.append("\(file): the added token \"\(text)\" has id \(id), not \(fileID) as the file says")
            }
            let isSpecial = try source.bool("special", default: false)
            tokens.append(
                AddedToken(
                    content: content, id: id, isSingleWord: try source.bool("single_word", default: false),
                    stripsLeft: try source.bool("lstrip", default: false),
                    stripsRight: try source.bool("rstrip", default: false),
                    isNormalized: try source.bool("normalized", default: !isSpecial), isSpecial: isSpecial))
        }
        // Of tokens that are looked for by the same text the first counts, control tokens before others.
        let order = tokens.indices.filter { tokens[$0].isSpecial } + tokens.indices.filter { !tokens[$0].isSpecial }
        for index in order {
            let token = tokens[index]
            guard token.isNormalized else {
                literal.insert(token.content, value: Int32(index))
                continue
            }
            var text = AlignedText(token.content)
            normalizer?.normalize(&text)
            guard text.count > 0 else { continue }
            if text.bytes != token.content { normalizedTexts[token.id] = text.bytes }
            normalized.insert(text.bytes, value: Int32(index))
        }
    }

    var specialIDs: Set<Int32> { Set(tokens.lazy.filter(\.isSpecial).map(\.id)) }

    /// A part of a text: a token, or what lies between tokens.
    struct Part {
        let token: AddedToken?
        let range: Range<Int>
    }

    /// Cuts a text at added tokens: at those matched literally, or at those matched in normalized text.
    ///
    /// - Parameter counts: whether a control token in a range counts; one that does not hides other tokens inside it.
    func parts(_ bytes: [UInt8], normalized isNormalized: Bool, _ counts: (Range<Int>) -> Bool) -> [Part] {
        let trie = isNormalized ? normalized : literal
        guard !trie.isEmpty, !bytes.isEmpty else {
            return bytes.isEmpty ? [] : [Part(token: nil, range: 0..<bytes.count)]
        }
        return bytes.withUnsafeBufferPointer { buffer in
            let pointer = buffer.baseAddress!
            var parts: [Part] = []
            var covered = 0
            var position = 0
            while let match = trie.firstMatch(buffer, from: position) {
                position = match.range.upperBound
                let token = tokens[Int(match.value)]
                if token.isSpecial, !counts(match.range) { continue }
                var start = match.range.lowerBound, end = match.range.upperBound
                if token.isSingleWord, Self.touchesWord(pointer, start, end, count: buffer.count) { continue }
                if token.stripsLeft { start = max(WhiteSpace.start(pointer, before: start, from: 0), covered) }
                if token.stripsRight { end = WhiteSpace.end(pointer, from: end, to: buffer.count) }
                if covered < start { parts.append(Part(token: nil, range: covered..<start)) }
                // A token may stand in white space that the one before took along; one of which nothing is left is none.
                if start < end { parts.append(Part(token: token, range: start..<end)) }
                covered = end
            }
            if covered < buffer.count { parts.append(Part(token: nil, range: covered..<buffer.count)) }
            return parts
        }
    }

    private static func touchesWord(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, count: Int) -> Bool {
        if start > 0, isWord(UTF8Decoding.scalarBefore(bytes, start, from: 0).value) { return true }
        return end < count && isWord(UTF8Decoding.scalar(bytes, end).value)
    }

    private static func isWord(_ scalar: UInt32) -> Bool { ScalarTraits.has(scalar, ScalarTraits.word) }
}

/// A trie over byte strings: leftmost match, the longest there.
struct TokenTrie: Sendable {
    /// (node, byte) to the child.
    private var children = PairTable()
    /// The value at each node, -1 where no string ends.
    private var values: [Int32] = [-1]
    private var firstBytes = [Bool](repeating: false, count: 256)

    var isEmpty: Bool { values.count == 1 }

    private static func key(_ node: Int, _ byte: UInt8) -> UInt64 { UInt64(node) << 8 | UInt64(byte) }

    /// Adds a string that is not empty; of two equal ones the first stays.
    mutating func insert(_ bytes: [UInt8], value: Int32) {
        firstBytes[Int(bytes[0])] = true
        var node = 0
        for byte in bytes {
            if let child = children.find(Self.key(node, byte)) {
                node = Int(child)
            } else {
                children.set(Self.key(node, byte), UInt64(values.count))
                node = values.count
                values.append(-1)
            }
        }
        if values[node] < 0 { values[node] = value }
    }

    /// Whether a string that was added begins this one, or is it.
    func holdsPrefix(of bytes: [UInt8]) -> Bool {
        var node = 0
        for byte in bytes {
            guard let child = children.find(Self.key(node, byte)) else { return false }
            node = Int(child)
            if values[node] >= 0 { return true }
        }
        return false
    }

    /// The first match that begins at `start` or later.
    func firstMatch(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> (range: Range<Int>, value: Int32)? {
        firstBytes.withUnsafeBufferPointer { firstBytes in
            var position = start
            while position < bytes.count {
                guard firstBytes[Int(bytes[position])] else {
                    position += 1
                    continue
                }
                var node = 0, index = position
                var best: (end: Int, value: Int32)?
                while index < bytes.count, let child = children.find(Self.key(node, bytes[index])) {
                    node = Int(child)
                    index += 1
                    if values[node] >= 0 { best = (index, values[node]) }
                }
                if let best { return (position..<best.end, best.value) }
                position += 1
            }
            return nil
        }
    }
}
