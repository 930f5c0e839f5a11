package import CIntrinsics

/// Fills the quantizer table with this module's functions.
package func fillQuantizerKernels(_ table: UnsafeMutablePointer<qk_quantizer_kernels>) {
    table.pointee.quantize_table4 = { source, table, codes, absmax in
        let source = source.pointee, table = table.pointee
        return switch source.type {
        case Int32(QK_SOURCE_BFLOAT16): quantizeTable4(BFloat16Source.self, source, table, codes, absmax)
        case Int32(QK_SOURCE_FLOAT16): quantizeTable4(Float16Source.self, source, table, codes, absmax)
        default: quantizeTable4(Float32Source.self, source, table, codes, absmax)
        }
    }
    table.pointee.quantize_signed8 = { source, codes, scales in
        let source = source.pointee
        return switch source.type {
        case Int32(QK_SOURCE_BFLOAT16): quantizeSigned8(BFloat16Source.self, source, codes, scales)
        case Int32(QK_SOURCE_FLOAT16): quantizeSigned8(Float16Source.self, source, codes, scales)
        default: quantizeSigned8(Float32Source.self, source, codes, scales)
        }
    }
    table.pointee.measure_table4 = { source, table, codes, norms, scales, sums in
        let source = source.pointee, table = table.pointee
        switch source.type {
        case Int32(QK_SOURCE_BFLOAT16): measureTable4(BFloat16Source.self, source, table, codes, norms, scales, sums)
        case Int32(QK_SOURCE_FLOAT16): measureTable4(Float16Source.self, source, table, codes, norms, scales, sums)
        default: measureTable4(Float32Source.self, source, table, codes, norms, scales, sums)
        }
    }
    table.pointee.measure_signed8 = { source, codes, scales, sums in
        let source = source.pointee
        switch source.type {
        case Int32(QK_SOURCE_BFLOAT16): measureSigned8(BFloat16Source.self, source, codes, scales, sums)
        case Int32(QK_SOURCE_FLOAT16): measureSigned8(Float16Source.self, source, codes, scales, sums)
        default: measureSigned8(Float32Source.self, source, codes, scales, sums)
        }
    }
}

/// A type of elements to quantize: how 16 of them become floats.
private protocol QuantizerSource {
    static func load(_ base: UnsafeRawPointer, _ index: Int) -> qk_float16x
}

private enum Float32Source: QuantizerSource {
    @inline(__always) static func load(_ base: UnsafeRawPointer, _ index: Int) -> qk_float16x {
        qk_load(base + (index &<< 2))
    }
}

private enum BFloat16Source: QuantizerSource {
    @inline(__always) static func load(_ base: UnsafeRawPointer, _ index: Int) -> qk_float16x {
        qk_load_bfloat16(base + (index &<< 1))
    }
}

private enum Float16Source: QuantizerSource {
    @inline(__always) static func load(_ base: UnsafeRawPointer, _ index: Int) -> qk_float16x {
        qk_load_float16(base + (index &<< 1))
    }
}

/// Bits of the largest magnitude of `count` elements from an index; those of infinity or more if one is not finite.
@inline(__always)
private func largestMagnitudeBits<Source: QuantizerSource>(
    _ type: Source.Type, _ base: UnsafeRawPointer, from start: Int, count: Int
) -> Int32 {
    var first = qq_magnitude_bits(Source.load(base, start))
    var second = qq_magnitude_bits(Source.load(base, start &+ 16))
    var offset = 32
    while offset < count {
        first = qq_max_integers(first, qq_magnitude_bits(Source.load(base, start &+ offset)))
        second = qq_max_integers(second, qq_magnitude_bits(Source.load(base, start &+ offset &+ 16)))
        offset &+= 32
    }
    return qq_largest_integer(qq_max_integers(first, second))
}

/// The bits of +infinity: magnitudes from here on are not finite.
private var infinityBits: Int32 { 0x7F80_0000 }

#if ISA_AVX512 || ISA_AVX512BF16 || ISA_AVX2
/// The 15 ascending thresholds of a table, and the code for each number of thresholds that a value exceeds, where a
/// permutation finds them.
private typealias CodeSearch = (thresholds: qk_float16x, codes: qk_float16x)

@inline(__always)
private func codeSearch(_ table: qk_table4) -> CodeSearch {
    var code = table.first
    var codes = qk_splat(Float(bitPattern: code))
    for index in 0..<15 {
        code ^= table.flips[index]
        codes[index &+ 1] = Float(bitPattern: code)
    }
    return (qk_load_first(table.thresholds, 15), codes)
}

/// The codes of values, by four comparisons that halve what is left.
@inline(__always)
private func findCodes(_ x: qk_float16x, _ search: CodeSearch) -> qk_uint16x {
    var place = qq_add_above(qq_splat_integer(0), x, qk_splat(search.thresholds[7]), 8)
    place = qq_add_above(place, x, qk_lookup(search.thresholds, place &+ qq_splat_integer(3)), 4)
    place = qq_add_above(place, x, qk_lookup(search.thresholds, place &+ qq_splat_integer(1)), 2)
    place = qq_add_above(place, x, qk_lookup(search.thresholds, place), 1)
    return unsafeBitCast(qk_lookup(search.codes, place), to: qk_uint16x.self)
}
#else
private typealias CodeSearch = qk_table4

@inline(__always)
private func codeSearch(_ table: qk_table4) -> CodeSearch { table }

/// The codes of values, by a comparison with every threshold: looking up in a table costs more here.
@inline(__always)
private func findCodes(_ x: qk_float16x, _ search: CodeSearch) -> qk_uint16x {
    var codes = qq_splat_integer(search.first)
    for index in 0..<15 { codes = qq_flip_above(codes, x, search.thresholds[index], search.flips[index]) }
    return codes
}
#endif

/// bitsandbytes' rule for full blocks: multiply with the reciprocal of the largest magnitude (at least 1e-38), clamp to
/// [-1, 1], count the thresholds below.
private func quantizeTable4<Source: QuantizerSource>(
    _ type: Source.Type, _ source: qk_source_blocks, _ table: qk_table4, _ codes: UnsafeMutablePointer<UInt8>,
    _ absmax: UnsafeMutablePointer<Float>
) -> Int64 {
    let blockSize = Int(source.block_size)
    let search = codeSearch(table)
    for block in 0..<Int(source.block_count) {
        let start = block &* blockSize
        let bits = largestMagnitudeBits(type, source.elements, from: start, count: blockSize)
        guard bits < infinityBits else { return Int64(block) }
        let largest = Float(bitPattern: UInt32(bitPattern: bits))
        absmax[block] = largest
        let factor = qk_splat(1 / (largest < 1e-38 ? 1e-38 : largest))
        var offset = 0
        while offset < blockSize {
            let x0 = qq_clamp_to_one(Source.load(source.elements, start &+ offset) * factor)
            let x1 = qq_clamp_to_one(Source.load(source.elements, start &+ offset &+ 16) * factor)
            let output = codes + ((start &+ offset) &>> 1)
            qq_store_nibbles(output, findCodes(x0, search))
            qq_store_nibbles(output + 8, findCodes(x1, search))
            offset &+= 32
        }
    }
    return -1
}

/// code = round to nearest even of x * (127 / largest magnitude), the largest magnitude taken as at least 2^-119 in the
/// quotient, so that it stays finite: then codes are smaller than they could be, by less than 2^-119 of weight.
private func quantizeSigned8<Source: QuantizerSource>(
    _ type: Source.Type, _ source: qk_source_blocks, _ codes: UnsafeMutablePointer<UInt8>,
    _ scales: UnsafeMutablePointer<Float>
) -> Int64 {
    let blockSize = Int(source.block_size)
    for block in 0..<Int(source.block_count) {
        let start = block &* blockSize
        let bits = largestMagnitudeBits(type, source.elements, from: start, count: blockSize)
        guard bits < infinityBits else { return Int64(block) }
        let largest = Float(bitPattern: UInt32(bitPattern: bits))
        scales[block] = largest / 127
        let factor = qk_splat(127 / (largest < 0x1p-119 ? 0x1p-119 : largest))
        var offset = 0
        while offset < blockSize {
            qq_store_rounded(codes + (start &+ offset), Source.load(source.elements, start &+ offset) * factor)
            offset &+= 16
        }
    }
    return -1
}

/// Sums of one block, in lanes: squares in units of the block's norm, the largest error as it is.
@inline(__always)
private func addErrors(
    _ value: qk_float16x, _ restored: qk_float16x, _ unit: qk_float16x, _ squaredError: inout qk_float16x,
    _ squaredValue: inout qk_float16x, _ largest: inout qk_float16x
) {
    let error = value - restored
    largest = qq_max(qq_magnitude(error), largest)
    let relativeError = error * unit, relativeValue = value * unit
    squaredError += relativeError * relativeError
    squaredValue += relativeValue * relativeValue
}

/// Adds a block's lanes to the sums.
@inline(__always)
private func finishErrors(
    _ sums: UnsafeMutablePointer<qk_error_sums>, norm: Float, _ squaredError: qk_float16x,
    _ squaredValue: qk_float16x, _ largest: qk_float16x
) {
    let square = Double(norm) * Double(norm)
    sums.pointee.squared_error += Double(qk_sum(squaredError)) * square
    sums.pointee.squared_value += Double(qk_sum(squaredValue)) * square
    let largest = qq_largest(largest)
    if largest > sums.pointee.largest_error { sums.pointee.largest_error = largest }
}

private func measureTable4<Source: QuantizerSource>(
    _ type: Source.Type, _ source: qk_source_blocks, _ table: qk_table4, _ codes: UnsafePointer<UInt8>,
    _ norms: UnsafePointer<Float>, _ scales: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<qk_error_sums>
) {
    let blockSize = Int(source.block_size), values = qk_load(table.values)
    for block in 0..<Int(source.block_count) {
        let start = block &* blockSize, magnitude = scales[block].magnitude
        let larger = norms[block] > magnitude ? norms[block] : magnitude
        let norm = larger < 1e-38 ? 1e-38 : larger
        let unit = qk_splat(1 / norm), scale = qk_splat(scales[block])
        var squaredError = qk_splat(0), squaredValue = squaredError, largest = squaredError
        var offset = 0
        while offset < blockSize {
            let index = start &+ offset
            let restored = qk_lookup(values, qq_load_nibbles(codes + (index &>> 1))) * scale
            addErrors(Source.load(source.elements, index), restored, unit, &squaredError, &squaredValue, &largest)
            offset &+= 16
        }
        finishErrors(sums, norm: norm, squaredError, squaredValue, largest)
    }
}

private func measureSigned8<Source: QuantizerSource>(
    _ type: Source.Type, _ source: qk_source_blocks, _ codes: UnsafePointer<UInt8>, _ scales: UnsafePointer<Float>,
    _ sums: UnsafeMutablePointer<qk_error_sums>
) {
    let blockSize = Int(source.block_size)
    for block in 0..<Int(source.block_count) {
        let start = block &* blockSize
        let norm = scales[block] * 64 < 1e-38 ? 1e-38 : scales[block] * 64
        let unit = qk_splat(1 / norm), scale = qk_splat(scales[block])
        var squaredError = qk_splat(0), squaredValue = squaredError, largest = squaredError
        var offset = 0
        while offset < blockSize {
            let index = start &+ offset
            let restored = qk_load_signed_bytes(codes + index) * scale
            addErrors(Source.load(source.elements, index), restored, unit, &squaredError, &squaredValue, &largest)
            offset &+= 16
        }
        finishErrors(sums, norm: norm, squaredError, squaredValue, largest)
    }
}
