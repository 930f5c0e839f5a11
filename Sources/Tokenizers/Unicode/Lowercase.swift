/// Lower case of single scalars, as the `tokenizers` library's normalizers have it.
enum Lowercase {
    /// Scalars from here on have no case.
    private static let tableEnd: UInt32 = 0x1EA00
    /// What is added to each scalar.
    private static let differences: [Int32] = {
        var table = [Int32](repeating: 0, count: Int(tableEnd))
        var first = 0
        for word in TableText.words(LowercaseTable.runs) {
            let fields = TableText.fields(word)
            first += Int(TableText.number(fields[0]))
            let isNegative = fields[3].first == UInt8(ascii: "-")
            let size = Int32(TableText.number(isNegative ? fields[3].dropFirst() : fields[3]))
            let step = Int(TableText.number(fields[1]))
            for index in 0..<Int(TableText.number(fields[2])) {
                table[first + index * step] = isNegative ? -size : size
            }
        }
        return table
    }()

    /// U+0130 alone becomes two scalars.
    static let dottedI: UInt32 = 0x130
    static let dottedILower: [UInt8] = [0x69, 0xCC, 0x87]

    /// The lower case of a scalar that is not U+0130.
    static func of(_ scalar: UInt32) -> UInt32 {
        scalar < tableEnd ? UInt32(truncatingIfNeeded: Int64(scalar) + Int64(differences[Int(scalar)])) : scalar
    }
}
