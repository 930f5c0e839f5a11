internal import Kernels
package import System

/// A whole tensor quantized in memory: for tensors that are small, and for studies of formats. Large files go through
/// the checkpoint quantizer, slice by slice.
package struct QuantizedBlocks: Sendable {
    /// Codes as files store them.
    package let codes: [UInt8]
    /// One scale for each block, as `BlockQuantizer.quantize` makes them.
    package let scales: [Float]
    /// The scales quantized again, if that was asked for.
    package let nested: NestedScales?
    package let quantizer: BlockQuantizer
    /// Elements.
    package let count: Int

    /// Quantizes `count` elements.
    ///
    /// - Throws: `Failure` of kind `badData` for an element that is not finite, naming its index.
    package init(
        _ source: UnsafeRawPointer, type: SourceType, count: Int, quantizer: BlockQuantizer, doubleQuantized: Bool
    ) throws(Failure) {
        var codes = [UInt8](repeating: 0, count: quantizer.format.codeByteCount(count))
        var scales = [Float](repeating: 0, count: quantizer.blockCount(count))
        let bad = codes.withUnsafeMutableBufferPointer { codes in
            scales.withUnsafeMutableBufferPointer { scales -> Int? in
                guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return nil }
                return quantizer.quantize(source, type: type, count: count, codes: codes, scales: scales)
            }
        }
        if let bad { throw Failure(.badData, "element \(bad) is \(type.element(source, bad)), not a finite number") }
        self.codes = codes
        self.scales = scales
        nested = doubleQuantized && count > 0 ? try NestedScales(scales) : nil
        self.quantizer = quantizer
        self.count = count
    }

    /// The scales that codes are multiplied with when they are read.
    package var readScales: [Float] { nested?.restored() ?? scales }

    /// The elements as they are read, float32 [count].
    package func restored() -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { output, initialized in
            initialized = count
            guard count > 0, let base = output.baseAddress else { return }
            codes.withUnsafeBufferPointer { codes in
                readScales.withUnsafeBufferPointer { scales in
                    guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
                    quantizer.dequantize(codes: codes, scales: scales, count: count, into: base)
                }
            }
        }
    }
}
