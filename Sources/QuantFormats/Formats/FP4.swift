extension QuantFormat {
    /// The 4-bit float of bitsandbytes: a sign, two exponent bits, one mantissa bit; magnitudes
    /// [0, 0.0625, 8, 12, 4, 6, 2, 3] / 12. Both zeros are stored as 0.0; of the two, code 0 takes negative values.
    public static let fp4 = QuantFormat(
        name: "fp4",
        coding: .table4(
            FourBitTable(
                valueBits: [
                    0, 0x3BAA_AAAB, 0x3F2A_AAAB, 0x3F80_0000, 0x3EAA_AAAB, 0x3F00_0000, 0x3E2A_AAAB, 0x3E80_0000,
                    0, 0xBBAA_AAAB, 0xBF2A_AAAB, 0xBF80_0000, 0xBEAA_AAAB, 0xBF00_0000, 0xBE2A_AAAB, 0xBE80_0000,
                ], order: [11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3])),
        isBitsandbytes: true)
}
