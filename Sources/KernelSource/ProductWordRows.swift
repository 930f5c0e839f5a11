internal import CIntrinsics

// 4-bit codes in rows, 128 of them (64 bytes) at a time: shifts of one vector of codes are the indices of the lookups,
// nothing is widened. All eight (or sixteen) products of a lane belong to one block: lanes 0 ..< 8 carry the first 64
// codes, the others the second.

/// The products of 128 4-bit codes before they are scaled.
protocol WordProduct: CodeProduct {
    /// The unscaled products of 128 codes with `Rows` rows of X.
    static func add<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: SIMD16<UInt32>, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int)
}

extension WordProduct {
    @inline(__always) static var codeBytes: Int { 32 }

    @inline(__always)
    static func add128<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: UnsafeRawPointer, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int, scales: (UnsafeRawPointer, UnsafeRawPointer)
    ) {
        var products = InlineArray<Rows, SIMD16<Float>>(repeating: SIMD16(repeating: 0))
        add(&products, qk_load_words(codes), table: table, x: x, xStride: xStride)
        let scale = qk_load_two_halves(scales.0, scales.1)
        for row in 0..<Rows { sums[row] = qk_multiply_add(products[row], scale, sums[row]) }
    }

    /// The other lanes meet zeros of X.
    @inline(__always)
    static func add64<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: UnsafeRawPointer, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int, scale: UnsafeRawPointer
    ) {
        var products = InlineArray<Rows, SIMD16<Float>>(repeating: SIMD16(repeating: 0))
        add(&products, qk_load_half_words(codes), table: table, x: x, xStride: xStride)
        let scale = qk_splat(scale.loadUnaligned(as: Float.self))
        for row in 0..<Rows { sums[row] = qk_multiply_add(products[row], scale, sums[row]) }
    }
}

/// float32: vector s of X holds the columns 8i + s; column 8i + s is nibble s ^ 1 of word i.
enum Float32WordProduct: WordProduct {
    @inline(__always) static var unitsOf128: Int { 128 }

    @inline(__always)
    static func table(_ weight: UnsafePointer<qk_weight>) -> SIMD16<Float> {
        qk_load(weight.pointee.table.unsafelyUnwrapped)
    }

    @inline(__always)
    static func add<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: SIMD16<UInt32>, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int
    ) {
        for vector in 0..<8 {
            let values = qk_lookup(table, codes &>> UInt32(truncatingIfNeeded: 4 &* (vector ^ 1)))
            for row in 0..<Rows {
                sums[row] = qk_multiply_add(values, qk_load(x + (row &* xStride &+ vector &* 16)), sums[row])
            }
        }
    }
}

#if ISA_AVX512BF16
/// bfloat16: vector s of X holds the columns 4j + s; column 4j + s is nibble s ^ 1 of half-word j.
enum BFloat16WordProduct: WordProduct {
    @inline(__always) static var unitsOf128: Int { 64 }

    @inline(__always)
    static func table(_ weight: UnsafePointer<qk_weight>) -> SIMD16<Float> {
        let values = qk_load(weight.pointee.table.unsafelyUnwrapped)
        return qk_narrow_bfloat16(values, values)
    }

    @inline(__always)
    static func add<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: SIMD16<UInt32>, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int
    ) {
        for vector in 0..<4 {
            let values = qk_lookup_bfloat16(table, codes, Int32(truncatingIfNeeded: 4 &* (vector ^ 1)))
            for row in 0..<Rows {
                sums[row] = qk_dot_bfloat16(sums[row], values, qk_load(x + (row &* xStride &+ vector &* 16)))
            }
        }
    }
}
#endif

/// X in the order that the word products read, padded with zeros to 128 columns; columns are a multiple of 64.
@inline(__always)
func prepareWordRows(
    columns: Int, _ x: UnsafePointer<Float>, xStride: Int, rows: Int, bfloat16: Bool,
    into prepared: UnsafeMutableRawPointer
) {
    for row in 0..<rows {
        var target = (prepared + row &* preparedRowBytes(columns: columns)).assumingMemoryBound(to: Float.self)
        var column = 0
        while column < columns {
            let source = x + (row &* xStride &+ column)
            var parts = InlineArray<8, SIMD16<Float>>(repeating: SIMD16(repeating: 0))
            for part in 0..<8 where part < 4 || column &+ 64 < columns { parts[part] = qk_load(source + part &* 16) }
            column &+= 128
            #if ISA_AVX512BF16
            if bfloat16 {
                let a = qk_narrow_bfloat16(parts[0], parts[1])
                let b = qk_narrow_bfloat16(parts[2], parts[3])
                let c = qk_narrow_bfloat16(parts[4], parts[5])
                let d = qk_narrow_bfloat16(parts[6], parts[7])
                let (firstEven, secondEven) = (qk_even_bfloat16(a, b), qk_even_bfloat16(c, d))
                let (firstOdd, secondOdd) = (qk_odd_bfloat16(a, b), qk_odd_bfloat16(c, d))
                qk_store(target, qk_even_bfloat16(firstEven, secondEven))
                qk_store(target + 16, qk_even_bfloat16(firstOdd, secondOdd))
                qk_store(target + 32, qk_odd_bfloat16(firstEven, secondEven))
                qk_store(target + 48, qk_odd_bfloat16(firstOdd, secondOdd))
                target += 64
                continue
            }
            #endif
            // Three rounds bring together the columns of equal remainder by 2, by 4, by 8.
            let eights = separated(separated(separated(parts)))
            for vector in 0..<8 { qk_store(target + vector &* 16, eights[vector]) }
            target += 128
        }
    }
}

/// The even lanes of all pairs of vectors, then the odd ones.
@inline(__always)
private func separated(_ parts: InlineArray<8, SIMD16<Float>>) -> InlineArray<8, SIMD16<Float>> {
    var result = parts
    for pair in 0..<4 {
        result[pair] = qk_even_lanes(parts[2 &* pair], parts[2 &* pair &+ 1])
        result[pair &+ 4] = qk_odd_lanes(parts[2 &* pair], parts[2 &* pair &+ 1])
    }
    return result
}
