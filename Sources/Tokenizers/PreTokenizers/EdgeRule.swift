/// Runs of one character at the start (`\A`) and at the end (`\z`) of a text.
struct EdgeRule: ScanRule {
    let character: UInt32
    /// Most characters that are taken at the start.
    let longestAtStart: Int
    /// Whether the run at the end is taken.
    let isAtEnd: Bool

    func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ piece: Range<Int>, _ matches: inout MatchCollector) {
        guard let pointer = bytes.baseAddress else { return }
        var start = piece.lowerBound, length = 0
        while start < piece.upperBound, length < longestAtStart {
            let (scalar, count) = UTF8Decoding.scalar(pointer, start)
            guard scalar == character else { break }
            start += count
            length += 1
        }
        if length > 0 { matches.add(piece.lowerBound..<start, in: piece) }
        guard isAtEnd else { return }
        var end = piece.upperBound
        while end > start {
            let (scalar, count) = UTF8Decoding.scalarBefore(pointer, end, from: start)
            guard scalar == character else { break }
            end -= count
        }
        if end < piece.upperBound { matches.add(end..<piece.upperBound, in: piece) }
    }
}
