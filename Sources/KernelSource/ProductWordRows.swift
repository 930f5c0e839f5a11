internal import CIntrinsics

// Few rows of X times a matrix of 4-bit codes, 128 codes (64 bytes) at a time: shifts of one vector of codes are the
// indices of the lookups, nothing is widened. Codes are multiplied as they are and partial sums scaled, since all eight
// (or sixteen) products of a lane belong to one block: lanes 0 ..< 8 carry the first 64 codes, the others the second.

/// Whether the storage and the shape of a weight admit it: rows of whole 64s, each of one block.
@inline(__always)
func hasWordProduct(_ weight: UnsafePointer<qk_weight>) -> Bool {
    weight.pointee.storage == Int32(QK_STORAGE_TABLE4) && weight.pointee.columns & 63 == 0
        && weight.pointee.block_shift >= 6
}

/// The arithmetic of 128 codes.
protocol WordProduct {
    /// Vectors of X that 128 codes meet.
    static var vectors: Int { get }

    /// The table in the form that `add` looks up.
    static func table(_ values: SIMD16<Float>) -> SIMD16<Float>

    /// The unscaled products of 128 codes with `Rows` rows of X.
    static func add<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: SIMD16<UInt32>, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int)
}

/// float32: vector s of X holds the columns 8i + s; column 8i + s is nibble s ^ 1 of word i.
enum Float32WordProduct: WordProduct {
    @inline(__always) static var vectors: Int { 8 }

    @inline(__always)
    static func table(_ values: SIMD16<Float>) -> SIMD16<Float> { values }

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
    @inline(__always) static var vectors: Int { 4 }

    @inline(__always)
    static func table(_ values: SIMD16<Float>) -> SIMD16<Float> { qk_narrow_bfloat16(values, values) }

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

/// The task, row of W by row of W: two short streams at once would defeat the prefetcher.
@inline(__always)
func multiplyWords<Product: WordProduct>(_ product: Product.Type, _ task: UnsafePointer<qk_few_rows_task>) {
    let weight = task.pointee.weight.unsafelyUnwrapped
    let prepared = task.pointee.prepared.unsafelyUnwrapped
    let y = task.pointee.y.unsafelyUnwrapped
    let rowBytes = preparedRowBytes(columns: Int(weight.pointee.columns))
    let rows = Int(task.pointee.rows)
    let yStride = Int(task.pointee.y_stride)
    let adding = task.pointee.adding != 0
    let first = Int(task.pointee.first_output)
    let zero = SIMD16<Float>(repeating: 0)
    for output in first..<first &+ Int(task.pointee.output_count) {
        let bias = task.pointee.bias.map { $0[output] }
        var row = 0
        while row < rows {
            let x = (prepared + row &* rowBytes).assumingMemoryBound(to: Float.self)
            let target = y + (row &* yStride &+ output)
            if rows &- row >= 4 {
                multiplyWordRow(
                    product, weight, output: output, x: x, xStride: rowBytes &>> 2,
                    zero: InlineArray<4, SIMD16<Float>>(repeating: zero), y: target, yStride: yStride, bias: bias,
                    adding: adding)
                row &+= 4
            } else {
                multiplyWordRow(
                    product, weight, output: output, x: x, xStride: rowBytes &>> 2,
                    zero: InlineArray<1, SIMD16<Float>>(repeating: zero), y: target, yStride: yStride, bias: bias,
                    adding: adding)
                row &+= 1
            }
        }
    }
}

/// Columns whose scales are looked up before their codes are met.
@inline(__always) private var scaledColumns: Int { 4096 }

/// One row of W times `Rows` rows of X.
@inline(__always)
private func multiplyWordRow<Product: WordProduct, let Rows: Int>(
    _ product: Product.Type, _ weight: UnsafePointer<qk_weight>, output: Int, x: UnsafePointer<Float>, xStride: Int,
    zero: InlineArray<Rows, SIMD16<Float>>, y: UnsafeMutablePointer<Float>, yStride: Int, bias: Float?, adding: Bool
) {
    let columns = Int(weight.pointee.columns)
    let elements = weight.pointee.elements.unsafelyUnwrapped
    let table = Product.table(qk_load(weight.pointee.table.unsafelyUnwrapped))
    var sums = zero
    withUnsafeTemporaryAllocation(byteCount: 320, alignment: 16) { memory in
        let scales = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
        var start = 0
        while start < columns {
            let count = min(scaledColumns, columns &- start)
            lookUpScales(weight, index: output &* columns &+ start, count: count &>> 6, into: scales)
            var codes = elements + (output &* columns &+ start) &>> 1
            var x = x + start / 128 &* Product.vectors &* 16
            var scale = UnsafePointer(scales)
            for _ in 0..<count &>> 7 {
                qk_prefetch(codes + 2048)
                addWords(product, qk_load_words(codes), table, qk_load_two_halves(scale), x, xStride, zero, &sums)
                codes += 64
                scale += 2
                x += Product.vectors &* 16
            }
            // 64 codes may be left. The other lanes meet zeros of X.
            if count & 64 != 0 {
                addWords(product, qk_load_half_words(codes), table, qk_splat(scale[0]), x, xStride, zero, &sums)
            }
            start &+= scaledColumns
        }
    }
    for row in 0..<Rows {
        var sum = qk_sum(sums[row])
        if let bias { sum = sum + bias }
        let target = y + row &* yStride
        target.pointee = adding ? target.pointee + sum : sum
    }
}

/// sums += scales times the products of 128 codes.
@inline(__always)
private func addWords<Product: WordProduct, let Rows: Int>(
    _ product: Product.Type, _ codes: SIMD16<UInt32>, _ table: SIMD16<Float>, _ scales: SIMD16<Float>,
    _ x: UnsafePointer<Float>, _ xStride: Int, _ zero: InlineArray<Rows, SIMD16<Float>>,
    _ sums: inout InlineArray<Rows, SIMD16<Float>>
) {
    var products = zero
    Product.add(&products, codes, table: table, x: x, xStride: xStride)
    for row in 0..<Rows { sums[row] = qk_multiply_add(products[row], scales, sums[row]) }
}

/// The scales of `count` (at most 64) groups of 64 elements from an index on, a multiple of 64; `scales` has room for 80.
@inline(__always)
private func lookUpScales(
    _ weight: UnsafePointer<qk_weight>, index: Int, count: Int, into scales: UnsafeMutablePointer<Float>
) {
    let shift = Int(weight.pointee.block_shift)
    if let plain = weight.pointee.scales {
        for group in 0..<count {
            let block = (index &+ group &<< 6) &>> shift
            scales[group] = plain.loadUnaligned(fromByteOffset: block &* 4, as: Float.self)
        }
        return
    }
    let codes = weight.pointee.scale_codes.unsafelyUnwrapped
    let map = weight.pointee.scale_map.unsafelyUnwrapped
    let absmax = weight.pointee.scale_absmax.unsafelyUnwrapped
    for group in 0..<count {
        let block = (index &+ group &<< 6) &>> shift
        let code = Int(codes.load(fromByteOffset: block, as: UInt8.self))
        scales[group] = map.loadUnaligned(fromByteOffset: code &* 4, as: Float.self)
    }
    // As `blockScale` does it: multiply, then add. 256 blocks share a factor, so few vectors have two.
    let offset = qk_splat(weight.pointee.scale_offset)
    var group = 0
    while group < count {
        let first = (index &+ group &<< 6) &>> (shift &+ 8)
        let last = (index &+ min(group &+ 15, count &- 1) &<< 6) &>> (shift &+ 8)
        let factor = qk_splat(absmax.loadUnaligned(fromByteOffset: first &* 4, as: Float.self))
        if first == last {
            let product = qk_load(scales + group) * factor
            qk_store(scales + group, product + offset)
        } else {
            for place in group..<min(group &+ 16, count) {
                let block = (index &+ place &<< 6) &>> shift
                let product = scales[place] * absmax.loadUnaligned(fromByteOffset: block &>> 8 &* 4, as: Float.self)
                scales[place] = product + weight.pointee.scale_offset
            }
        }
        group &+= 16
    }
}
