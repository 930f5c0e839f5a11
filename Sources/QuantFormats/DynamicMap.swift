/// bitsandbytes' signed 8-bit dynamic map (arXiv 1511.04561) and its blockwise quantizer on the CPU, which double
/// quantization stores scales with.
package enum DynamicMap {
    /// Elements that share a largest magnitude.
    package static let blockSize = 256

    /// float32 [256], ascending, from -0.99297 to 1: for i = 0…6 the midpoints of 2^i equal parts of [0.1, 1], times
    /// 10^(i - 6), with both signs; 0 and 1. (`create_dynamic_map`, computed in float32 as torch does.)
    package static let signed: [Float] = {
        var values: [Float] = [0, 1]
        for exponent in 0..<7 {
            let parts = 1 << exponent
            // torch.linspace: from the start below the middle, from the end above it.
            let step = (1 - Float(0.1)) / Float(parts)
            let boundaries = (0...parts).map { index -> Float in
                index < (parts + 1) / 2
                    ? Float(0.1).addingProduct(step, Float(index))
                    : Float(1).addingProduct(-step, Float(parts - index))
            }
            let factor = Float(powersOfTen[exponent])
            for index in 0..<parts {
                let value = factor * ((boundaries[index] + boundaries[index + 1]) / 2)
                values.append(value)
                values.append(-value)
            }
        }
        return values.sorted()
    }()

    private static let powersOfTen = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]

    /// The code of each of 65536 equidistant points of [-1, 1]: the first code whose upper midpoint is not below the
    /// point. Coarser than the nearest code near 0: the point of 0.0 has code 131.
    private static let pointCodes: [UInt8] = {
        var code = 0
        return (0..<65536).map { index -> UInt8 in
            let point = -1 + 2 * Float(index) / 65535
            while code < 255, (signed[code] + signed[code + 1]) * 0.5 < point { code += 1 }
            return UInt8(code)
        }
    }()

    /// Quantizes one block of at most 256 numbers.
    ///
    /// - Parameters:
    ///   - codes: takes a code for each number, from `start` on; they are 0 before.
    /// - Returns: the largest magnitude of the block.
    static func quantize(_ values: [Float], into codes: inout [UInt8], at start: Int) -> Float {
        let absmax = values.reduce(0) { max($0, $1.magnitude) }
        guard absmax > 0 else { return 0 }
        let factor = 1 / absmax
        for (index, value) in values.enumerated() {
            let x = max(-1, min(1, value * factor))
            codes[start + index] = pointCodes[Int((x + 1) * 0.5 * 65535 + 0.5)]
        }
        return absmax
    }
}
