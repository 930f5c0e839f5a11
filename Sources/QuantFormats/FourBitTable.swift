internal import CIntrinsics

/// 16 values that 4-bit codes stand for, with the decision rule of bitsandbytes on the CPU.
///
/// The values are sorted; the thresholds are the midpoints of neighbours, in float32; a value takes the place of the
/// thresholds it exceeds (so a value on a threshold takes the lower place), and the place's code.
package struct FourBitTable: @unchecked Sendable {
    // Unchecked: the memory is written once, before the value exists, and never freed.

    /// float32 [16], indexed by code; lives as long as the process, so that matrices may point to it.
    package let values: UnsafePointer<Float>
    /// float32 [15], ascending.
    package let thresholds: UnsafePointer<Float>
    /// UInt32 [15]: exclusive or of the codes of neighbouring places.
    package let flips: UnsafePointer<UInt32>
    /// The codes in the order of their values.
    package let order: [UInt8]

    /// - Parameters:
    ///   - valueBits: bit patterns of the 16 values, indexed by code.
    ///   - order: the 16 codes in ascending order of their values; it decides among equal values.
    init(valueBits: [UInt32], order: [UInt8]) {
        guard valueBits.count == 16, order.count == 16 else { fatalError("a 4-bit table has 16 values") }
        let values = UnsafeMutablePointer<Float>.allocate(capacity: 16)
        let thresholds = UnsafeMutablePointer<Float>.allocate(capacity: 15)
        let flips = UnsafeMutablePointer<UInt32>.allocate(capacity: 15)
        for code in 0..<16 { values[code] = Float(bitPattern: valueBits[code]) }
        for place in 0..<15 {
            thresholds[place] = (values[Int(order[place])] + values[Int(order[place + 1])]) / 2
            flips[place] = UInt32(order[place] ^ order[place + 1])
        }
        self.values = UnsafePointer(values)
        self.thresholds = UnsafePointer(thresholds)
        self.flips = UnsafePointer(flips)
        self.order = order
    }

    /// The code of a value already scaled to [-1, 1].
    package func code(_ x: Float) -> UInt8 {
        var place = 0
        while place < 15, x > thresholds[place] { place += 1 }
        return order[place]
    }

    /// The table as kernels take it.
    var kernelTable: qk_table4 {
        qk_table4(thresholds: thresholds, flips: flips, first: UInt32(order[0]), values: values)
    }
}
