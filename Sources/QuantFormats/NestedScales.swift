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
        let differences = scales.map { $0 - mean }
        guard mean.isFinite, differences.allSatisfy(\.isFinite) else {
            throw Failure(
                .badData, "the weights are so large that the mean of their block scales is not a float32 number",
                remedy: "Quantize with --no-double-quant")
        }
        (codes, absmax) = DynamicMap.quantize(differences)
        offset = mean
    }

    /// The scales as they are read: map[code] * absmax + offset, in float32.
    public func restored() -> [Float] {
        let map = DynamicMap.signed
        return codes.indices.map { map[Int(codes[$0])] * absmax[$0 / Self.blockSize] + offset }
    }
}
