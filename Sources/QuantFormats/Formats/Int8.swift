extension QuantFormat {
    /// Symmetric 8-bit integers: code = round half to even of x * (127 / absmax), value = code * (absmax / 127), all in
    /// float32; absmax is the largest magnitude of the block. What is stored as scale is absmax / 127.
    public static let int8 = QuantFormat(name: "int8", coding: .signed8, isBitsandbytes: false)
}
