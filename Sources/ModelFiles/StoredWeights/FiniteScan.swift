public import System

/// Looks for NaN and infinities.
enum FiniteScan {
    /// The index of the first element that is NaN or infinite, nil if there is none or the type has none such.
    ///
    /// An exponent of all ones, plus one in its lowest place, carries into the sign's place: one pass of AND, ADD, OR
    /// at memory speed on any instruction set; only a chunk that shows a carry is searched.
    static func firstNonFinite(_ bytes: UnsafeRawBufferPointer, type: TensorType) -> Int? {
        switch type {
        case .float32: scan(bytes, exponent: 0x7F80_0000 as UInt32, one: 0x0080_0000, carry: 1 << 31)
        case .bfloat16: scan(bytes, exponent: 0x7F80 as UInt16, one: 0x0080, carry: 1 << 15)
        case .float16: scan(bytes, exponent: 0x7C00 as UInt16, one: 0x0400, carry: 1 << 15)
        case .float64: scan(bytes, exponent: 0x7FF0_0000_0000_0000 as UInt64, one: 1 << 52, carry: 1 << 63)
        default: nil
        }
    }

    @inline(__always)
    private static func scan<Bits: FixedWidthInteger & UnsignedInteger & SIMDScalar>(
        _ bytes: UnsafeRawBufferPointer, exponent: Bits, one: Bits, carry: Bits
    ) -> Int? {
        let width = MemoryLayout<Bits>.size, lanes = 8
        let count = bytes.count / width
        func isNonFinite(_ index: Int) -> Bool {
            bytes.loadUnaligned(fromByteOffset: index * width, as: Bits.self) & exponent == exponent
        }
        var index = 0
        while count - index >= 1024 {
            var carries = SIMD8<Bits>(repeating: 0)
            for step in 0..<1024 / lanes {
                let values = bytes.loadUnaligned(fromByteOffset: (index + step * lanes) * width, as: SIMD8<Bits>.self)
                carries |= (values & SIMD8(repeating: exponent)) &+ SIMD8(repeating: one)
            }
            var merged: Bits = 0
            for lane in 0..<lanes { merged |= carries[lane] }
            if merged & carry != 0 { break }
            index += 1024
        }
        while index < count {
            if isNonFinite(index) { return index }
            index += 1
        }
        return nil
    }
}

extension StoredTensor {
    /// Refuses NaN and infinities; reads the whole tensor once.
    ///
    /// - Throws: `Failure` of kind `badData` with tensor, index of the element and byte offset.
    public func checkFinite() throws(Failure) { try checkFinite(0..<byteCount) }

    /// Refuses NaN and infinities in a range of the tensor's bytes that begins and ends with an element.
    ///
    /// - Throws: `Failure` of kind `badData` with tensor, index of the element and byte offset.
    public func checkFinite(_ range: Range<Int>) throws(Failure) {
        let slice = UnsafeRawBufferPointer(rebasing: bytes[range])
        guard let found = FiniteScan.firstNonFinite(slice, type: type) else { return }
        let index = range.lowerBound * 8 / type.bitCount + found
        try file.file.throwIfChanged()
        var place = self.place
        place.byteOffset = entry.byteOffset + index * type.bitCount / 8
        throw Failure(
            .badData, "element \(index) is \(value(at: index))\(index > 0 ? ", the first that is not finite" : "")",
            at: place, remedy: "The weights are damaged: fetch them again")
    }

    /// An element of a float tensor as text: `NaN` or `infinity`.
    private func value(at index: Int) -> String {
        let offset = index * type.bitCount / 8
        let isNaN: Bool
        switch type {
        case .float32: isNaN = bytes.loadUnaligned(fromByteOffset: offset, as: Float.self).isNaN
        case .float64: isNaN = bytes.loadUnaligned(fromByteOffset: offset, as: Double.self).isNaN
        case .bfloat16: isNaN = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self) & 0x7F != 0
        default: isNaN = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self) & 0x3FF != 0
        }
        return isNaN ? "NaN" : "infinity"
    }
}
