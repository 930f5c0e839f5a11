internal import CIntrinsics

/// The type in which operands enter attention's products. Sums, softmax and its gradient are float32 in any case.
///
/// Operands lie in units of the reduction, as those of the products with weights do. Reductions over the columns of a head
/// find the columns of a row in units; those over keys or queries find the same column of consecutive rows in one.
protocol AttentionArithmetic: ProductArithmetic {
    /// Units of `count` consecutive floats, 1 to 16 units' worth, multiplied by a factor; zeros behind them.
    static func units(_ from: UnsafePointer<Float>, _ count: Int, _ factor: Lanes) -> Lanes
    /// The units of two rows; the second is left out where a unit has one element.
    static func units(of first: Lanes, _ second: Lanes) -> Lanes
}

extension Float32Arithmetic: AttentionArithmetic {
    @inline(__always)
    static func units(_ from: UnsafePointer<Float>, _ count: Int, _ factor: Lanes) -> Lanes {
        factor * lanes(from, count)
    }

    @inline(__always)
    static func units(of first: Lanes, _ second: Lanes) -> Lanes { first }
}

#if ISA_AVX512BF16
extension BFloat16Arithmetic: AttentionArithmetic {
    @inline(__always)
    static func units(_ from: UnsafePointer<Float>, _ count: Int, _ factor: Lanes) -> Lanes {
        let second = count > 16 ? factor * lanes(from + 16, count &- 16) : qv_splat(0)
        return qk_narrow_bfloat16(factor * lanes(from, min(16, count)), second)
    }

    @inline(__always)
    static func units(of first: Lanes, _ second: Lanes) -> Lanes { qk_zip_bfloat16(first, second) }
}
#endif

/// Weights [keys, queries] of a block as the left operand of a reduction over keys: [keys / unit, queries]. The weights
/// themselves, or in `packed`.
@inline(never)
func weightsOverKeys<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ weights: UnsafePointer<Float>, keyCount: Int, queryCount: Int,
    packed: UnsafeMutablePointer<Float>
) -> UnsafePointer<Float> {
    guard Arithmetic.unitLength > 1 else { return weights }
    var key = 0
    while key < keyCount {
        let source = weights + key &* queryBlock
        let target = packed + key / 2 &* queryBlock
        var query = 0
        while query < queryCount {
            let second = key &+ 1 < keyCount ? qv_load(source + (queryBlock &+ query)) : qv_splat(0)
            qv_store(target + query, Arithmetic.units(of: qv_load(source + query), second))
            query &+= 16
        }
        key &+= 2
    }
    return UnsafePointer(packed)
}

/// The same as the left operand of a reduction over queries: [keys, queries / unit].
@inline(never)
func weightsOverQueries<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ weights: UnsafePointer<Float>, keyCount: Int, queryCount: Int,
    packed: UnsafeMutablePointer<Float>
) -> UnsafePointer<Float> {
    guard Arithmetic.unitLength > 1 else { return weights }
    let one = qv_splat(1)
    for key in 0..<keyCount {
        let source = weights + key &* queryBlock
        let target = packed + key &* (queryBlock / 2)
        var query = 0
        while query < queryCount {
            qv_store(target + query / 2, Arithmetic.units(source + query, 32, one))
            query &+= 32
        }
    }
    return UnsafePointer(packed)
}
