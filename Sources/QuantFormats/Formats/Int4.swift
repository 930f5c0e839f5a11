extension QuantFormat {
    /// Symmetric 4-bit integers: value = (code - 8) * absmax / 7, in the 16-entry form `Float(code - 8) / 7` times absmax,
    /// so that the products of every 4-bit format serve. bitsandbytes has no such format.
    ///
    /// The levels are the 15 multiples of absmax / 7 from -absmax to absmax: the largest magnitude of a block and 0 are
    /// exact, and signs are treated alike. Code 0 stands for -8/7, the level of two's complement that would break the
    /// symmetry; its threshold lies below -1, so the quantizer never chooses it. A value halfway between two levels takes
    /// the lower one, as in every table.
    public static let int4 = QuantFormat(
        name: "int4",
        coding: .table4(
            FourBitTable(valueBits: (-8..<8).map { (Float($0) / 7).bitPattern }, order: Array(0..<16))),
        isBitsandbytes: false)
}
