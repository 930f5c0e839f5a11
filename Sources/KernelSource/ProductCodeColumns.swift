internal import CIntrinsics

extension Table4Format {
    /// Codes are transposed as words of eight before they become floats: an eighth of the shuffles, and one lookup, one
    /// multiplication and one store for 16 values.
    ///
    /// The value of an element is table[code] * scale, as in `chunk`.
    @inline(__always)
    static func fillColumns(
        _ weight: UnsafePointer<qk_weight>, row: Int, column: Int, length: Int,
        into columns: UnsafeMutablePointer<Float>, stride: Int, staging: UnsafeMutablePointer<Float>
    ) -> Bool {
        let width = Int(weight.pointee.columns)
        let shift = Int(weight.pointee.block_shift)
        guard width & 31 == 0 && shift >= 5 else { return false }
        let codes = staging
        let scales = staging + 16 &* codeStride
        stageCodes(weight, row: row, column: column, length: length, into: codes)
        // Blocks begin where columns are multiples of a power of two that divides both a block and a row.
        let span = min(1 &<< shift, width & (0 &- width))
        stageScales(weight, row: row, column: column, length: length, span: span, into: scales)
        let table = qk_load(weight.pointee.table.unsafelyUnwrapped)
        let firstSpan = column / span
        var target = columns
        for chunk in 0..<length / 32 {
            let words = wordsOfRows(codes + chunk &* 4)
            let scale = qk_load(scales + ((column &+ chunk &* 32) / span &- firstSpan) &* 16)
            for word in 0..<4 {
                let bits = unsafeBitCast(words[word], to: SIMD16<UInt32>.self)
                for nibble in 0..<8 {
                    // Element 8w + n is nibble n ^ 1 of word w.
                    let values = qk_lookup(table, bits &>> UInt32(truncatingIfNeeded: 4 &* (nibble ^ 1)))
                    qk_store(target, values * scale)
                    target += stride
                }
            }
        }
        return true
    }
}

/// Floats from the codes of one row to those of the next: 256 codes and a gap, so that rows do not share places in the
/// first-level cache.
@inline(__always) private var codeStride: Int { 36 }

/// The codes of 16 rows side by side.
@inline(__always)
private func stageCodes(
    _ weight: UnsafePointer<qk_weight>, row: Int, column: Int, length: Int, into codes: UnsafeMutablePointer<Float>
) {
    let width = Int(weight.pointee.columns)
    let elements = weight.pointee.elements.unsafelyUnwrapped
    for lane in 0..<16 {
        let source = elements + ((row &+ lane) &* width &+ column) &>> 1
        let target = UnsafeMutableRawPointer(codes + lane &* codeStride)
        var offset = 0
        while offset < length &>> 1 {
            target.storeBytes(
                of: source.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt32>.self), toByteOffset: offset,
                as: SIMD4<UInt32>.self)
            offset &+= 16
        }
    }
}

/// The scales of 16 rows as vectors, one for each span of columns that is of one block in every row.
@inline(__always)
private func stageScales(
    _ weight: UnsafePointer<qk_weight>, row: Int, column: Int, length: Int, span: Int,
    into scales: UnsafeMutablePointer<Float>
) {
    let width = Int(weight.pointee.columns)
    let shift = Int(weight.pointee.block_shift)
    var target = scales
    var start = column
    while start < column &+ length {
        for lane in 0..<16 { target[lane] = blockScale(weight, ((row &+ lane) &* width &+ start) &>> shift) }
        target += 16
        start = (start / span &+ 1) &* span
    }
}

/// Vector w: word w of the 16 bytes of every row.
@inline(__always)
private func wordsOfRows(_ codes: UnsafePointer<Float>) -> InlineArray<4, SIMD16<Float>> {
    let stride = Int64(codeStride)
    let a = qk_load_four_quarters(codes, stride)
    let b = qk_load_four_quarters(codes + codeStride, stride)
    let c = qk_load_four_quarters(codes + 2 &* codeStride, stride)
    let d = qk_load_four_quarters(codes + 3 &* codeStride, stride)
    let (abLow, abHigh) = (qk_zip_low(a, b), qk_zip_high(a, b))
    let (cdLow, cdHigh) = (qk_zip_low(c, d), qk_zip_high(c, d))
    return [
        qk_zip_pairs_low(abLow, cdLow), qk_zip_pairs_high(abLow, cdLow),
        qk_zip_pairs_low(abHigh, cdHigh), qk_zip_pairs_high(abHigh, cdHigh),
    ]
}
