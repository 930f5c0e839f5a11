public import System

/// Scales quantized to 8 bits around their mean: "double quantization" (QLoRA, section 3; bitsandbytes'
/// `compress_statistics`).
public struct NestedScales: Sendable {
    /// UInt8 [blocks], codes into the signed dynamic map.
    public let codes: [UInt8]
    /// float32 [ceil(blocks / 256)].
    public let absmax: [Float]
    /// The mean of the scales.
    public let offset: Float

    /// Elements a nested scale stands for.
    public static var blockSize: Int { DynamicMap.blockSize }

    /// float32 [256]: what the codes stand for.
    public static var map: [Float] { DynamicMap.signed }

    /// Quantizes scales as bitsandbytes does on the CPU with one torch thread, to the bit.
    ///
    /// - Parameter scales: at least one, finite.
    /// - Throws: `Failure` of kind `badData` where the scales are so large that their mean overflows float32.
    public init(_ scales: [Float]) throws(Failure) {
        let mean = scales.withUnsafeBufferPointer { TorchMean.mean($0) }
        // A scale is at least 0, so its difference from a finite mean is finite.
        guard mean.isFinite else {
            throw Failure(
                .badData, "the weights are so large that the mean of their block scales is not a float32 number",
                remedy: "Quantize with --no-double-quant")
        }
        var codes = [UInt8](repeating: 0, count: scales.count)
        var absmax: [Float] = []
        for start in stride(from: 0, to: scales.count, by: Self.blockSize) {
            let range = start..<min(start + Self.blockSize, scales.count)
            absmax.append(DynamicMap.quantize(scales[range].map { $0 - mean }, into: &codes, at: start))
        }
        self.codes = codes
        self.absmax = absmax
        offset = mean
    }

    /// The scales of a range of blocks as they are read: map[code] * absmax + offset, in float32.
    public func restored(_ blocks: Range<Int>) -> [Float] {
        let map = DynamicMap.signed
        return blocks.map { map[Int(codes[$0])] * absmax[$0 / Self.blockSize] + offset }
    }

    /// All scales as they are read.
    public func restored() -> [Float] { restored(codes.indices) }
}
