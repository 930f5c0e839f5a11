internal import CIntrinsics

/// Signed bytes in rows: they are widened to float32 and meet X in the order of the columns, rounded beforehand where the
/// compute type is bfloat16 (a byte needs no rounding).
enum ByteProduct: CodeProduct {
    @inline(__always) static var codeBytes: Int { 64 }
    @inline(__always) static var unitsOf128: Int { 128 }

    @inline(__always)
    static func table(_ weight: UnsafePointer<qk_weight>) -> SIMD16<Float> { SIMD16(repeating: 0) }

    @inline(__always)
    static func add128<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: UnsafeRawPointer, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int, scales: (UnsafeRawPointer, UnsafeRawPointer)
    ) {
        add64(&sums, codes, table: table, x: x, xStride: xStride, scale: scales.0)
        add64(&sums, codes + 64, table: table, x: x + 64, xStride: xStride, scale: scales.1)
    }

    @inline(__always)
    static func add64<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: UnsafeRawPointer, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int, scale: UnsafeRawPointer
    ) {
        var products = InlineArray<Rows, SIMD16<Float>>(repeating: SIMD16(repeating: 0))
        for vector in 0..<4 {
            let values = qk_load_signed_bytes(codes + vector &* 16)
            for row in 0..<Rows {
                products[row] = qk_multiply_add(
                    values, qk_load(x + (row &* xStride &+ vector &* 16)), products[row])
            }
        }
        let scale = qk_splat(scale.loadUnaligned(as: Float.self))
        for row in 0..<Rows { sums[row] = qk_multiply_add(products[row], scale, sums[row]) }
    }
}

/// X for byte products: float32 in the order of the columns, padded with zeros to 128, rounded to bfloat16 if wanted.
@inline(__always)
func prepareByteRows(
    columns: Int, _ x: UnsafePointer<Float>, xStride: Int, rows: Int, bfloat16: Bool,
    into prepared: UnsafeMutableRawPointer
) {
    for row in 0..<rows {
        let source = x + row &* xStride
        let target = (prepared + row &* preparedRowBytes(columns: columns)).assumingMemoryBound(to: Float.self)
        var column = 0
        while column < columns {
            var values = qk_load(source + column)
            #if ISA_AVX512BF16
            if bfloat16 { values = qk_round_bfloat16(values) }
            #endif
            qk_store(target + column, values)
            column &+= 16
        }
        while column < (columns &+ 127) & ~127 {
            qk_store(target + column, SIMD16(repeating: 0))
            column &+= 16
        }
    }
}
