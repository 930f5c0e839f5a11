/// Reading the texts that tools/fixtures/unicode.py writes: words between spaces, numbers in base 36.
enum TableText {
    static func words(_ text: StaticString) -> [ArraySlice<UInt8>] {
        text.withUTF8Buffer { Array($0) }.split(separator: UInt8(ascii: " "))
    }

    static func fields(_ word: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] { word.split(separator: UInt8(ascii: ":")) }

    static func number(_ digits: ArraySlice<UInt8>) -> UInt32 {
        digits.reduce(0) { $0 * 36 + UInt32($1 < 0x3A ? $1 - 0x30 : $1 - 0x61 + 10) }
    }

    /// Scalars as `a+b+c`.
    static func scalars(_ text: ArraySlice<UInt8>) -> [UInt32] { text.split(separator: UInt8(ascii: "+")).map(number) }
}

/// A value for every scalar, out of runs `length:value`.
struct RunTable: Sendable {
    /// Scalars below are looked up directly, the few above by their run.
    private static let directCount = 0x20000

    private let direct: [UInt16]
    /// First scalars of the runs from `directCount` on, and their values.
    private var starts: [UInt32] = []
    private var values: [UInt16] = []

    init(_ text: StaticString) {
        var direct = [UInt16](repeating: 0, count: Self.directCount)
        var position = 0
        for word in TableText.words(text) {
            let fields = TableText.fields(word)
            let end = position + Int(TableText.number(fields[0]))
            let value = fields.count > 1 ? UInt16(TableText.number(fields[1])) : 0
            for scalar in position..<max(position, min(end, Self.directCount)) { direct[scalar] = value }
            if end > Self.directCount {
                starts.append(UInt32(max(position, Self.directCount)))
                values.append(value)
            }
            position = end
        }
        starts.append(UInt32(max(position, Self.directCount)))
        values.append(0)
        self.direct = direct
    }

    func of(_ scalar: UInt32) -> UInt16 {
        if scalar < Self.directCount { return direct[Int(scalar)] }
        var low = 0, high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= scalar { low = middle } else { high = middle }
        }
        return starts[low] <= scalar ? values[low] : 0
    }
}
