extension QuantFormat {
    /// NormalFloat4: quantiles of the normal distribution (QLoRA, arXiv 2305.14314, appendix E), with the constants of
    /// bitsandbytes. Codes ascend with their values.
    public static let nf4 = QuantFormat(
        name: "nf4",
        coding: .table4(
            FourBitTable(
                valueBits: [
                    0xBF80_0000, 0xBF32_39B1, 0xBF06_6B30, 0xBECA_32A0, 0xBE91_A24D, 0xBE3D_353F, 0xBDBA_7871, 0,
                    0x3DA2_FAFF, 0x3E24_CAE3, 0x3E7C_04DD, 0x3EAD_033A, 0x3EE1_A4B8, 0x3F10_07AB, 0x3F39_13B3,
                    0x3F80_0000,
                ], order: Array(0..<16))),
        isBitsandbytes: true)
}
