/// Strings, wherever they stand: at every position the first of the alternatives that matches.
struct LiteralsRule: ScanRule {
    private let trie: TokenTrie

    init(_ literals: [[UInt8]]) {
        var trie = TokenTrie()
        for literal in literals where !trie.holdsPrefix(of: literal) { trie.insert(literal, value: 0) }
        // A literal behind one that begins it is never reached, so that of those left the longest is the first.
        self.trie = trie
    }

    /// An expression of alternatives that are strings of plain characters and escaped punctuation; nil for anything else.
    init?(expression: String) {
        var literals: [[UInt8]] = [[]]
        var isEscaped = false
        for scalar in expression.unicodeScalars {
            if isEscaped {
                switch scalar {
                case "n": literals[literals.count - 1].append(0x0A)
                case "r": literals[literals.count - 1].append(0x0D)
                case "t": literals[literals.count - 1].append(0x09)
                default:
                    guard scalar.isASCII, !("0"..."9" ~= scalar), !("A"..."Z" ~= scalar), !("a"..."z" ~= scalar)
                    else { return nil }
                    UTF8Decoding.append(scalar.value, to: &literals[literals.count - 1])
                }
                isEscaped = false
            } else if scalar == "|" {
                literals.append([])
            } else if scalar == "\\" {
                isEscaped = true
            } else {
                guard !"[](){}.*+?^$".unicodeScalars.contains(scalar) else { return nil }
                UTF8Decoding.append(scalar.value, to: &literals[literals.count - 1])
            }
        }
        guard !isEscaped, literals.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(literals)
    }

    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        let view = UnsafeBufferPointer(rebasing: bytes[..<piece.upperBound])
        var position = piece.lowerBound
        while let match = trie.firstMatch(view, from: position) {
            matches.add(match.range, in: piece)
            position = match.range.upperBound
        }
    }
}
