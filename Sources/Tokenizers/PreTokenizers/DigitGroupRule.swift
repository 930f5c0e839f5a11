/// `\d{1,3}(?=(?:\d{3})*\b)`: the digits of a number in groups of three from the right, where no word goes on behind it.
struct DigitGroupRule: ScanRule {
    private static let digits = ScalarSet(traits: ScalarTraits.decimal)

    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        guard let pointer = bytes.baseAddress else { return }
        var index = piece.lowerBound
        while index < piece.upperBound {
            let (end, count) = Self.digits.runEnd(pointer, index, piece.upperBound)
            guard count > 0 else {
                index += UTF8Decoding.byteCount(first: pointer[index])
                continue
            }
            defer { index = end }
            if end < piece.upperBound,
                ScalarTraits.has(UTF8Decoding.scalar(pointer, end).value, ScalarTraits.expressionWord)
            {
                continue
            }
            var start = index, group = (count - 1) % 3 + 1
            while start < end {
                let next = Self.digits.runEnd(pointer, start, end, longest: group).end
                matches.add(start..<next, in: piece)
                start = next
                group = 3
            }
        }
    }
}
